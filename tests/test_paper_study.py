"""The networks and sizes of studies/tof-paper for a few steps of each stage: what a GPU would run must at least run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from augbench.core import layout
from augbench.core.arms import arms_of
from augbench.core.artifacts import load_weights
from augbench.core.params import Params, parse_params, read_params
from augbench.core.shards import read_shards
from augbench.stages import audit as audit_stage
from augbench.stages import compare, develop, evaluate, prepare, report, sample, train_generator, train_segmenter

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "studies/tof-paper"


def test_the_study_has_the_sizes_of_the_publication() -> None:
    params = read_params(STUDY / "params.yaml")
    sizes = {name: options["subjects"] for name, options in params.dataset.cohorts.items()}
    assert (sizes["generator"], sizes["segmenter"], sizes["external"]) == (303, 42, 50)
    assert (params.image_size, params.sampling.frames) == (256, 100_000)


def test_the_equal_patient_arm_differs_in_the_generators_patients_alone() -> None:
    params = read_params(STUDY / "params.yaml")
    one, equal = params.generators["pggan"], params.generators["pggan-equal"]
    assert (one.cohort, equal.cohort) == ("generator", "segmenter")
    assert equal.model_copy(update={"cohort": one.cohort}) == one
    arm, same = params.arms.generated["pggan-synthetic"], params.arms.generated["pggan-equal-synthetic"]
    assert same.model_copy(update={"synthetic": arm.synthetic}) == arm


@pytest.fixture
def paper() -> Params:
    """The study with its sizes (256 x 256, networks) and tiny numbers of everything else."""
    content: dict[str, Any] = yaml.safe_load((STUDY / "params.yaml").read_text(encoding="utf-8"))
    content["views"] = ["4ch"]
    for name, subjects in {"generator": 5, "segmenter": 5, "internal": 4, "development": 2, "external": 6}.items():
        content["dataset"]["cohorts"][name]["subjects"] = subjects
    del content["generators"]["pggan-equal"]
    content["generators"]["pggan"] |= {"batch_size": 4, "total_kimg": 0.016, "growth_fraction": 0.75, "seeds": [0]}
    arms = content["arms"]["generated"]
    for name in ("pggan-equal-synthetic", "pggan-mixed-10", "pggan-mixed-100"):
        del arms[name]
    for arm in (content["arms"]["patients"]["real"], *arms.values()):
        arm["seeds"] = [0]
    content["sampling"]["frames"] = 20
    content["training"] |= {"steps": 2, "batch_size": 2, "validate_every": 2}
    content["audit"]["frames"] = 20
    content["compute"] = {"accelerator": "cpu", "threads": 2}
    return parse_params(content)


@pytest.mark.pipeline
def test_every_stage_runs_at_the_papers_size(paper: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layout.STUDY.write_bytes((STUDY / layout.STUDY).read_bytes())
    prepare.run(paper)
    for name in paper.generators:
        train_generator.run(paper, name)
        sample.run(paper, name)
    tensors, config = load_weights(layout.generator("pggan", 0) / "generator.safetensors")
    assert config["image_size"] == 256
    assert sum(tensor.numel() for tensor in tensors.values()) > 15e6
    assert read_shards(layout.synthetic("pggan", 0))[0].shape == (20, 2, 256, 256)
    for arm in arms_of(paper):
        train_segmenter.run(paper, arm.name)
    for name in paper.generators:
        audit_stage.run(paper, name)
    for cohort in paper.evaluation.development:
        develop.run(paper, cohort)
    evaluate.run(paper)
    compare.run(paper)
    report.run(paper)
    comparison = pd.read_csv(layout.COMPARISON)
    assert set(comparison["arm"]) == {"pggan-synthetic", "pggan-mixed-1", "memoriser", "oracle"}
    assert layout.REPORT.is_file()
