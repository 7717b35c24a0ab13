"""Small projects in git for the tests of revisions: synthetic scores, no pipeline run."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from augbench.comparison.unit import PER_FRAME_COLUMNS, per_patient
from augbench.core.reports import write_report_table

PARAMS: dict[str, Any] = {
    "seed": 1,
    "dataset": {"kind": "phantom"},
    "generators": {"gan": {"kind": "pggan", "seeds": [0, 1]}},
    "sampling": {"frames": 50},
    "training": {"steps": 300},
    "arms": {
        "patients": {"plain": {"role": "reference", "seeds": [0, 1]}},
        "generated": {"synth": {"role": "studied", "generator": "gan", "seeds": [0, 1]}},
    },
    "evaluation": {"external": "external", "metrics": {"dice": {}, "nsd": {"tolerance_mm": 2.0}}},
    "comparison": {
        "primary": {"metric": "dice", "arm": "synth"}, "margins": {"dice": 0.01}, "alpha": 0.05,
    },
}  # fmt: skip
SCORES = "reports/per_patient.csv.gz"
#: Generator seeds of an arm.
ARMS: dict[str, tuple[str, ...]] = {"plain": ("",), "synth": ("0", "1")}


def scores(
    n_subjects: int = 12,
    *,
    shift: float = 0.0,
    runs_seed: int = 0,
    segmenter_seeds: tuple[int, ...] = (0, 1),
    arms: Mapping[str, tuple[str, ...]] = ARMS,
    places: tuple[tuple[str, str], ...] = (("4ch", "LV"), ("sax", "RV")),
    frames: int = 1,
) -> pd.DataFrame:
    """Dice and NSD of patients; `shift` is added to the arms with a generator, `runs_seed` draws the trainings."""
    rng = np.random.default_rng(runs_seed)
    rows: list[dict[str, Any]] = []
    for arm, generator_seeds in arms.items():
        for generator_seed in generator_seeds:
            for segmenter_seed in segmenter_seeds:
                run = rng.normal(0, 0.003)
                for subject in range(n_subjects):
                    for view, structure in places:
                        dice = 0.85 + 0.005 * subject + run + rng.normal(0, 0.002) + (shift if generator_seed else 0.0)
                        case = {
                            "subject_id": f"e{subject}", "site": "external", "view": view, "structure": structure,
                            "arm": arm, "generator_seed": generator_seed, "segmenter_seed": str(segmenter_seed),
                            "reason": "",
                        }  # fmt: skip
                        for frame in range(frames):
                            case["frame_id"] = f"e{subject}-{view}-{frame}"
                            rows.append(case | {"metric": "dice", "value": round(dice, 6)})
                            rows.append(case | {"metric": "nsd", "value": round(dice - 0.1, 6)})
    return per_patient(pd.DataFrame(rows)[list(PER_FRAME_COLUMNS)])


def changed(**sections: Any) -> dict[str, Any]:
    """PARAMS with top-level sections replaced."""
    return deepcopy(PARAMS) | sections


def git(folder: Path, *arguments: str) -> str:
    names = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write_project(
    folder: Path,
    table: pd.DataFrame,
    params: dict[str, Any] = PARAMS,
    external_md5: str = "aa.dir",
    score_md5: str = "bb.dir",
) -> None:
    """params.yaml, dvc.lock and the scores of patients as a finished run leaves them."""
    path = folder / SCORES
    write_report_table(path, table)
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    stage = {
        "deps": [
            {"path": "data/cohort/external", "md5": external_md5},
            {"path": "./src/augbench/scores", "md5": score_md5},
        ],
        "params": {"params.yaml": {"evaluation": params["evaluation"], "seed": params["seed"]}},
        "outs": [{"path": SCORES, "md5": hashlib.md5(path.read_bytes()).hexdigest()}],
    }
    trained = {"params": {"params.yaml": {"training": params["training"]}}}
    lock = {"schema": "2.0", "stages": {"evaluate": stage, "train_segmenter@plain": trained}}
    (folder / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")


def commit(folder: Path, *arguments: Any, branch: str = "main", **options: Any) -> None:
    """One commit of a project on a branch, made where it is not."""
    if not (folder / ".git").exists() and not _inside_repository(folder):
        git(folder, "init", "--quiet")
    if git(folder, "symbolic-ref", "--short", "HEAD") != branch:
        git(folder, "checkout", "--quiet", "-B", branch)
    write_project(folder, *arguments, **options)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", branch)


def _inside_repository(folder: Path) -> bool:
    return any((parent / ".git").exists() for parent in folder.parents)
