"""The paper preset's networks and sizes, for a few steps of each stage: what a GPU would run must at least run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from augbench.core import layout
from augbench.core.artifacts import load_weights
from augbench.core.params import Params, parse_params
from augbench.core.runs import all_runs
from augbench.core.shards import read_shards
from augbench.stages import audit as audit_stage
from augbench.stages import compare, develop, evaluate, prepare, report, sample, train_generator, train_segmenter

pytestmark = pytest.mark.pipeline
ROOT = Path(__file__).parent.parent


@pytest.fixture
def paper() -> Params:
    """The preset with its sizes (256 x 256, networks, batch of U-Net inputs) and tiny numbers of everything else."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "presets/paper.yaml").read_text(encoding="utf-8"))
    content["views"] = ["4ch"]
    content["datasets"]["phantom"] |= {
        "generator_subjects": 5, "segmenter_subjects": 5, "internal_subjects": 4, "development_subjects": 2,
        "external_subjects": 6,
    }  # fmt: skip
    content["generators"]["pggan"] |= {"batch_size": 4, "total_kimg": 0.016, "growth_fraction": 0.75}
    content["generator_seeds"], content["segmenter_seeds"] = [0], [0]
    content["sampling"]["frames"] = 20
    content["regimes"]["mixed"]["synthetic_per_real"] = [1]
    content["training"] |= {"steps": 2, "batch_size": 2, "validate_every": 2}
    content["audit"]["frames"] = 20
    content["comparison"]["bootstrap"] = 200
    content["compute"] = {"accelerator": "cpu", "threads": 2}
    return parse_params(content)


def test_every_stage_runs_at_the_papers_size(paper: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare.run(paper)
    for name in paper.generators:
        train_generator.run(paper, name, 0)
        sample.run(paper, name, 0)
    tensors, config = load_weights(layout.generator("pggan", 0) / "generator.safetensors")
    assert config["image_size"] == 256
    assert sum(tensor.numel() for tensor in tensors.values()) > 15e6
    assert read_shards(layout.synthetic("pggan", 0))[0].shape == (20, 2, 256, 256)
    for task in all_runs(paper):
        train_segmenter.run(paper, task)
    for name in paper.generators:
        audit_stage.run(paper, name, 0)
    develop.run(paper)
    evaluate.run(paper)
    compare.run(paper)
    report.run(paper)
    comparison = pd.read_csv(layout.COMPARISON)
    assert set(comparison["arm"]) == {"pggan/synthetic", "pggan/mixed-1", "memoriser/synthetic", "oracle/synthetic"}
    assert layout.REPORT.is_file()
