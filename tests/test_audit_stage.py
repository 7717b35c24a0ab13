"""The audit stage: who shares the false alarms, which features may judge, what is kept of the nearest pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from augbench.audit.base import FALSE_ALARMS
from augbench.core import layout
from augbench.core.params import Params, read_params
from augbench.core.types import SYNTHETIC_COLUMNS, Frames
from augbench.datasets.tof_phantom import TofPhantom
from augbench.stages import audit as stage
from augbench.stages.sheets import PAIR_COLUMNS, pair_sheet

SMOKE = Path(__file__).parent.parent / "studies/smoke/params.yaml"


def encode(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A network of eight features: means of the image's rows in eight bands."""
    return images.reshape(len(images), 8, -1).mean(axis=2, dtype=np.float32)


@pytest.fixture(scope="module")
def cohorts() -> dict[str, Frames]:
    sizes = {"generator": 12, "segmenter": 6, "internal": 8}
    declared = {name: {"site": "main", "subjects": size} for name, size in sizes.items()}
    return TofPhantom(cohorts=declared).cohorts(32, ("4ch", "2ch", "sax"), seed=1)


@pytest.fixture
def params(monkeypatch: pytest.MonkeyPatch, cohorts: dict[str, Frames]) -> Params:
    """The smoke study; every generator returns the frames of its own patients."""
    params = read_params(SMOKE)

    def read(folder: Path, *, limit: int | None = None) -> Frames:
        if folder.parts[1] == "cohort":
            return cohorts[folder.name]
        real = cohorts[params.generators[folder.parts[2]].cohort]
        rows = np.random.default_rng(int(folder.name)).integers(0, len(real), 40)
        table = pd.DataFrame({"frame_id": [f"made-{row}" for row in range(40)], "view": np.array(real.views)[rows]})
        return Frames(
            real.pairs[rows], table.assign(spacing_mm=1.0, frame_seed=0)[list(SYNTHETIC_COLUMNS)], real.scheme
        )

    monkeypatch.setattr(stage, "read_frames", read)
    monkeypatch.setattr(stage, "generator_frames", lambda params, name: cohorts[params.generators[name].cohort])
    monkeypatch.setattr(stage, "network_encoder", lambda params: encode)
    return params


def test_features_of_a_network_that_learnt_from_the_patients_judge_nobody(params: Params) -> None:
    equal = stage.GeneratorAudit(params, "pggan-equal")
    found = equal.examine("segmenter", 0)["results"]
    for metric in ("neighbours", "membership"):
        assert (found[metric]["value"], found[metric]["flagged"]) == (None, None)
        assert "'real' learnt from" in found[metric]["undefined"]
    assert found["kid"]["value"] is not None
    assert equal.examine("pixels", 0)["results"]["neighbours"]["flagged"] is True


def test_all_tests_with_a_verdict_share_the_false_alarms(params: Params) -> None:
    # Two tests on two feature spaces of two seeds; of one seed; and of one seed on the one space that may judge.
    shares = {name: stage.GeneratorAudit(params, name).alpha for name in ("pggan", "oracle", "pggan-equal")}
    assert shares == {"pggan": FALSE_ALARMS / 8, "oracle": FALSE_ALARMS / 4, "pggan-equal": FALSE_ALARMS / 2}


def test_nearest_pairs_show_the_copied_frame_and_hold_no_pixel_in_the_report(
    params: Params, cohorts: dict[str, Frames]
) -> None:
    audit = stage.GeneratorAudit(params, "memoriser")
    pairs = audit.examine("pixels", 0)["pairs"]
    assert len(pairs) == 8
    sheet = pair_sheet(
        [{"seed": 0, "features": "pixels", **pair} for pair in pairs], audit.synthetic, audit.training, audit.held_out
    )
    assert tuple(sheet.table.columns) == PAIR_COLUMNS
    assert sheet.images.shape == (8, 3, 32, 32)
    np.testing.assert_array_equal(sheet.images[:, 0], sheet.images[:, 1])
    ids = list(cohorts["generator"].table["frame_id"])
    for row, images in zip(sheet.table.itertuples(), sheet.images, strict=True):
        np.testing.assert_array_equal(images[1], cohorts["generator"].images[ids.index(row.training_frame)])
    assert (sheet.table["ratio"].diff().dropna() >= 0).all()


def test_the_stage_writes_one_verdict_and_the_pairs_in_data_alone(
    params: Params, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "write_sheet", lambda params, name, pairs: written.update({name: pairs}))
    monkeypatch.setattr(stage, "write_report_json", lambda path, content: written.update({str(path): content}))
    stage.run(params, "memoriser")
    report = written[str(layout.audit("memoriser"))]
    assert report["privacy"]["flagged"] is True
    assert report["privacy"]["detection_limit"] is None
    assert set(report["seeds"]["0"]["neighbours"]) == {"pixels", "segmenter"}
    assert len(written["memoriser"].table) == 16
    assert "main-g-0001" not in str(report)
