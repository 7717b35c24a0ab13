"""Every kind of arm that params.yaml can name, from the cohorts to the report, at a tiny size and in one process."""

from __future__ import annotations

from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from augbench.core import layout
from augbench.core.arms import arms_of
from augbench.core.params import Params, parse_params
from augbench.core.shards import read_frames, read_shards
from augbench.stages import (
    audit,
    compare,
    develop,
    evaluate,
    label,
    prepare,
    report,
    sample,
    summary,
    train_generator,
    train_segmenter,
)

ROOT = Path(__file__).parent.parent
SUBJECTS = {"generator": 8, "segmenter": 4, "internal": 4, "development": 2, "external": 7}
REAL: dict[str, Any] = {
    "role": "opponent",
    "cohort": "segmenter",
    "regime": {"kind": "real"},
    "segmenter": {"kind": "monai_unet", "features": [8, 8, 16, 16, 32, 8]},
    "seeds": [0, 1],
}
MADE = REAL | {"role": "studied", "synthetic": "fresh", "regime": {"kind": "synthetic"}}
OTHER = {"kind": "light_unet", "features": [8, 8, 8, 8, 8]}


def _mixed(dose: float | None, **options: float) -> dict[str, Any]:
    return {"kind": "mixed", "synthetic_per_real": dose, **options}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The smoke study with another set of arms; fresh patients stand for a generator's."""
    monkeypatch.chdir(tmp_path)
    content: dict[str, Any] = yaml.safe_load((ROOT / "studies/smoke/params.yaml").read_text(encoding="utf-8"))
    for name, subjects in SUBJECTS.items():
        content["dataset"]["cohorts"][name]["subjects"] = subjects
    content["generators"] = {"fresh": {"kind": "oracle", "cohort": "generator", "seeds": [0, 1]}}
    content["labelling"] = {
        "taught": {"images": "data/synthetic/fresh", "kind": "teacher", "source": "data/models/real-all"},
        "relabelled": {"images": "data/synthetic/fresh", "kind": "pseudo", "source": "data/models/real"},
        "unlabelled": {"images": "data/cohort/generator", "kind": "pseudo", "source": "data/models/real"},
    }
    content["arms"] = {
        "patients": {
            "real": REAL | {"role": "reference"},
            "real-all": REAL | {"cohort": "generator"},
            "no-augmentation": REAL | {"augmented": False},
            "real-light": REAL | {"segmenter": OTHER},
        },
        "generated": {
            "joint": MADE,
            "taught": MADE | {"synthetic": "taught"},
            "relabelled": MADE | {"synthetic": "relabelled"},
            "self-training": MADE | {"role": "opponent", "synthetic": "unlabelled", "regime": _mixed(None)},
            "mixed-1": MADE | {"regime": _mixed(1)},
            "mixed-2": MADE | {"regime": _mixed(2)},
            "half-1": MADE | {"regime": _mixed(1, real_share=0.5)},
            "half-2": MADE | {"regime": _mixed(2, real_share=0.5)},
            "light": MADE | {"segmenter": OTHER, "against": "real-light"},
            "control": MADE | {"role": "positive control"},
        },
    }
    content["comparison"]["primary"]["arm"] = "joint"
    content["sampling"] = {"frames": 60}
    content["training"] |= {"steps": 3, "batch_size": 4, "validate_every": 3}
    content["audit"] |= {"frames": 20, "features": {"pixels": {"size": 16}}, "network": None}
    content["evaluation"] |= {"development": ["internal"], "metrics": {"dice": {}}}
    return parse_params(content)


@pytest.fixture
def study(params: Params) -> Params:
    """All its stages in the order of dvc.yaml."""
    layout.STUDY.write_bytes((ROOT / "studies/smoke/study.yaml").read_bytes())
    words = yaml.safe_load(layout.STUDY.read_text(encoding="utf-8")) | {"targets": [], "names": {}}
    layout.STUDY.write_text(yaml.safe_dump(words), encoding="utf-8")
    prepare.run(params)
    for name in params.generators:
        train_generator.run(params, name)
        sample.run(params, name)
        audit.run(params, name)
    for name in params.arms.patients:
        train_segmenter.run(params, name)
    for name in params.labelling:
        label.run(params, name)
    for name in params.arms.generated:
        train_segmenter.run(params, name)
    develop.run(params, "internal")
    evaluate.run(params)
    compare.run(params)
    report.run(params)
    return params


@pytest.mark.pipeline
def test_every_kind_of_arm_reaches_the_report(study: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = {arm.name: (arm.generator_seeds, len(arm.runs)) for arm in arms_of(study)}
    assert (seeds["taught"], seeds["self-training"]) == (((0, 1), 4), ((), 2))
    for name in ("taught", "relabelled"):
        for seed in (0, 1):
            made, own = (read_shards(layout.synthetic(one, seed))[0] for one in (name, "fresh"))
            rows = np.arange(len(own))
            np.testing.assert_array_equal(made[rows][:, 0], own[rows][:, 0])
    patients = read_frames(layout.cohort("generator"))
    np.testing.assert_array_equal(read_frames(layout.synthetic("unlabelled", None)).images, patients.images)

    arms = pd.read_csv(layout.ARMS, keep_default_na=False).set_index("arm")
    assert arms.loc[["joint", "taught", "relabelled", "self-training"], "labels"].to_list() == [
        *("joint", "teacher", "pseudo", "pseudo")
    ]
    comparison = pd.read_csv(layout.COMPARISON)
    opponents = comparison.drop_duplicates("arm").set_index("arm")["reference_arm"]
    assert set(opponents.index) == {arm.name for arm in arms_of(study)} - {"real"}
    assert opponents["light"] == "real-light"
    assert set(opponents.drop("light")) == {"real"}
    # No generator, so no generator seed that could be unknown.
    unknown = comparison.groupby("arm")["seeds_unknown"].first().fillna("")
    assert (unknown["self-training"], unknown["taught"]) == ("", "")

    recovered = pd.read_csv(layout.RECOVERED)
    assert set(recovered["opponent"]) == {"real-all"}
    assert set(recovered["arm"]) == {"joint", "taught", "relabelled", "self-training"} | {
        f"{kind}-{dose}" for kind in ("mixed", "half") for dose in (1, 2)
    }
    page = unescape(layout.REPORT.read_text(encoding="utf-8"))
    for words in (
        "light against real-light",
        "taught against real",
        "real, no augmentation",
        "mixed, 50% real in every batch",
        "selection of weights; no-augmentation had no augmentation.",
        "Share of the lead recovered",
        "dashed: the",
        "teacher (a network trained on the patients that the generator learnt from labelled its images)",
    ):
        assert words in page, words
    monkeypatch.setattr(summary, "read_params", lambda: study)
    text = summary.summary_text()
    assert "**light against real-light**" in text
    assert "| light (to real-light) |" in text
    assert "Of this lead," in text or "does not lead" in text
