"""Seeded, realistic tidy tables for the tests of figures and report; no test of science rests on them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augbench.comparison.verdict import verdict
from augbench.core.arms import Arm
from augbench.core.study import read_study
from augbench.core.tables import CELL, RUN
from augbench.report.data import AUDIT, ReportData
from augbench.report.display import Display
from augbench.report.metric import Metric
from augbench.report.sheets import Example, contact_sheet, example_segmentations

STUDY = read_study(Path(__file__).parent.parent / "study.yaml")

ANNOTATED = {
    "4ch": ("LV", "MYO", "RV", "RA", "LA"),
    "2ch": ("LV", "MYO", "LA"),
    "sax": ("LV", "MYO", "RV"),
}
STRUCTURES = ("LV", "MYO", "RV", "RA", "LA")
DICE = Metric("dice", "Dice", margin=0.01, learnt=0.5)
HD95 = Metric("hd95", "HD95", "mm", higher_is_better=False, decimals=2)
SHIFT = {
    "real": 0.0,
    "pggan-synthetic": -0.016,
    "pggan-mixed-1": 0.004,
    "pggan-mixed-8": 0.002,
    "fastgan-synthetic": -0.041,
    "oracle": 0.021,
    "memoriser": -0.064,
}
LEVEL = {"LV": 0.93, "MYO": 0.83, "RV": 0.90, "RA": 0.91, "LA": 0.92}


def arm(name: str, generator: str | None = None, dose: int | None = None, role: str = "studied") -> Arm:
    """An arm with two generator seeds and three segmenter seeds."""
    regime = "real" if generator is None else "synthetic" if dose is None else "mixed"
    return Arm(
        name=name,
        role="reference" if generator is None else role,
        regime=regime,
        regime_options={} if dose is None else {"synthetic_per_real": dose},
        cohort="segmenter",
        segmenter="monai_unet",
        segmenter_options={},
        segmenter_seeds=(0, 1, 2),
        synthetic=generator,
        generator=generator,
        generator_seeds=() if generator is None else (0, 1),
        labels="reference" if generator is None else "joint",
        against="" if generator is None else "real",
    )


ARMS = (
    arm("real"),
    arm("pggan-synthetic", "pggan"),
    arm("pggan-mixed-1", "pggan", 1),
    arm("pggan-mixed-8", "pggan", 8),
    arm("oracle", "oracle", role="positive control"),
    arm("fastgan-synthetic", "fastgan"),
    arm("memoriser", "memoriser", role="negative control"),
)
DISPLAY = Display(STUDY.names, ARMS, tuple(ANNOTATED), STRUCTURES, dict(STUDY.colours))


def per_patient_table(
    annotated: dict[str, tuple[str, ...]] = ANNOTATED, subjects: int = 50, seed: int = 1
) -> pd.DataFrame:
    """Scores of every patient and run; one patient's short-axis RV is missed by the networks of one seed."""
    rng = np.random.default_rng(seed)
    rows = []
    names = [f"ext-{index:03d}" for index in range(subjects)]
    for view, structures in annotated.items():
        for structure in structures:
            patient = rng.normal(0, 0.018, subjects) - rng.exponential(0.012, subjects)
            for key, shift in SHIFT.items():
                own = rng.normal(shift, 0.004)
                own_noise = rng.normal(0, 0.024, subjects)
                for generator_seed in ("",) if key == "real" else ("0", "1"):
                    drift = rng.normal(0, 0.004) if generator_seed else 0
                    for segmenter_seed in ("0", "1", "2"):
                        noise = rng.normal(0, 0.012, subjects) + own_noise + rng.normal(0, 0.003)
                        dice = np.clip(LEVEL[structure] + patient + own + drift + noise, 0, 0.995)
                        if structure == "RV" and view == "sax" and segmenter_seed == "0":
                            dice[3] = 0.0
                        run = (key, generator_seed, segmenter_seed)
                        for name, value in zip(names, dice, strict=True):
                            rows.append((view, structure, "dice", *run, name, value))
                            rows.append((view, structure, "hd95", *run, name, 22 * (1.02 - value)))
    columns = [*CELL, *RUN, "subject_id", "value"]
    return pd.DataFrame(rows, columns=columns).assign(site="external", n_frames=2, n_undefined=0)


def comparison_table(
    per_patient: pd.DataFrame, reference: str = "real", metrics: tuple[Metric, ...] = (DICE, HD95)
) -> pd.DataFrame:
    """Columns of reports/comparison.csv; the seeds' share of the intervals is left out."""
    keys = ["metric", "view", "structure", "arm", "subject_id"]
    means = per_patient.groupby(keys, sort=False)["value"].mean().reset_index()
    overall = means.groupby(["metric", "arm", "subject_id"], sort=False)["value"].mean().reset_index()
    if len(means[["view", "structure"]].drop_duplicates()) > 1:
        means = pd.concat([means, overall.assign(view="all", structure="mean")], ignore_index=True)
    rows = []
    for metric in metrics:
        for (view, structure), part in means[means["metric"] == metric.kind].groupby(["view", "structure"], sort=False):
            wide = part.pivot(index="subject_id", columns="arm", values="value")
            for key in [name for name in dict.fromkeys(part["arm"]) if name != reference]:
                place = {"view": view, "structure": structure, "metric": metric.kind, "arm": key}
                rows.append(place | {"reference_arm": reference} | _compared(wide[key], wide[reference], metric))
    table = pd.DataFrame(rows)
    return table.assign(overall=~table.duplicated(["metric", "arm"], keep="last"))


def _compared(arm: pd.Series, reference: pd.Series, metric: Metric) -> dict[str, Any]:
    difference = arm - reference
    mean, sd, n = float(difference.mean()), float(difference.std()), len(difference)
    half, half90 = 1.96 * sd / n**0.5, 1.645 * sd / n**0.5
    bounds = (mean - half, mean + half, mean - half90, mean + half90)
    p = float(np.exp(-0.717 * abs(mean) * n**0.5 / sd - 0.416 * (mean * n**0.5 / sd) ** 2))
    row: dict[str, Any] = {"n_subjects": n, "mean_difference": mean, "sd_paired": sd, "n_undefined": 0}
    row |= {"mean_arm": arm.mean(), "mean_reference": reference.mean()}
    row |= dict(zip(("ci_low", "ci_high", "ci90_low", "ci90_high"), bounds, strict=True))
    row |= {
        "degrees": n - 1.0,
        "p_tost": 0.5,
        "p_wilcoxon": p,
        "p_value": p,
        "p_adjusted": min(1.0, 11 * p),
        "seeds_unknown": "",
        "endpoint": "secondary",
    }
    ratio, relative = arm.mean() / reference.mean(), half / reference.mean()
    row |= {"ratio": ratio, "ratio_low": ratio - relative, "ratio_high": ratio + relative}
    direction = {"margin": metric.margin, "higher_is_better": metric.higher_is_better}
    row["verdict"] = verdict(mean, *bounds[2:], row["p_adjusted"], **direction)
    undecided = row["verdict"] == "inconclusive"
    row |= {"limited_by": "patients" if undecided else "", "limited_share": 0.6, "seeds_needed": np.nan}
    row["patients_needed"] = 4 * n if undecided else np.nan
    for side, values in (("arm", arm), ("reference", reference)):
        row |= {f"{name}_{side}": values.quantile(q) for name, q in (("q1", 0.25), ("median", 0.5), ("q3", 0.75))}
        row[f"variation_{side}"] = (1 - values).median()
    return row


def contrasts_table(comparison: pd.DataFrame) -> pd.DataFrame:
    """Columns of reports/contrasts.csv, as far as the report reads them; limits are of a typical width."""
    rows = comparison[comparison["overall"] & (comparison["metric"] == "dice")].set_index("arm")
    means = {"real": 0.0} | rows["mean_difference"].to_dict()
    table = pd.DataFrame(
        [
            (
                arm,
                other,
                means[arm] - means[other],
                means[arm] - means[other] - 0.008,
                means[arm] - means[other] + 0.008,
            )
            for arm, other in combinations(means, 2)
        ],
        columns=["arm", "other", "mean_difference", "ci_low", "ci_high"],
    )
    return table.assign(metric="dice", n_subjects=50, p_value=0.5, seeds_unknown="")


def audit_table() -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    scores = {"pggan": (0.031, 4.1, 1.02), "fastgan": (0.094, 11.8, 1.05)}
    scores |= {"oracle": (0.001, 0.31, 1.0), "memoriser": (0.004, 0.92, 0.12)}
    for generator, (kid, frechet, ratio) in scores.items():
        for seed in (0, 1):
            place = {"generator": generator, "seed": seed}
            for title, features, value, floor in (
                ("KID", "segmenter", kid, 0.0004),
                ("Fréchet distance", "segmenter", frechet, 0.2),
                ("Fréchet distance", "pixels", 3 * frechet, 0.6),
            ):
                value *= 1 + 0.07 * seed
                bounds = {"ci_low": 0.9 * value, "ci_high": 1.2 * value, "floor_value": floor, "flag": ""}
                rows.append(
                    {**place, "axis": "fidelity", "title": title, "features": features, "value": value} | bounds
                )
            flag = "flagged" if generator == "memoriser" else "not flagged"
            for features in ("segmenter", "pixels"):
                found = {"title": "Nearest-neighbour ratio", "features": features, "value": ratio, "flag": flag}
                rows.append({**place, "axis": "privacy"} | found)
    return pd.DataFrame(rows, columns=AUDIT)


def curves_table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    kimg = np.linspace(0, 60, 120)
    rows = []
    for generator in ("pggan", "fastgan"):
        for seed in (0, 1):
            for name, end in (("loss_discriminator", 1.1), ("loss_generator", 1.9), ("resolution", 64)):
                if name == "resolution":
                    values = np.where(kimg < 4, 8, np.where(kimg < 8, 16, np.where(kimg < 15, 32, 64))).astype(float)
                else:
                    values = end + np.exp(-kimg / 8) * rng.normal(1, 0.2) + rng.normal(0, 0.07, len(kimg))
                rows += [(generator, seed, k, name, v) for k, v in zip(kimg, values, strict=True)]
    return pd.DataFrame(rows, columns=["generator", "seed", "kimg", "name", "value"])


def hearts(count: int, size: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Ellipses that look faintly like a short axis; images and labels (n, H, W) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    images, labels = np.zeros((count, size, size), np.uint8), np.zeros((count, size, size), np.uint8)
    for index in range(count):
        cy, cx, r = size / 2 + rng.normal(0, 3), size / 2 + 6 + rng.normal(0, 2), size * rng.uniform(0.12, 0.17)
        distance = np.hypot(y - cy, x - cx)
        right = np.hypot((y - cy) / 1.3, x - (cx - 1.9 * r)) < 1.25 * r
        label = np.where(right, 3, 0)
        label = np.where(distance < r * 1.6, 2, label)
        label = np.where(distance < r, 1, label)
        tone = np.choose(label, [70, 210, 90, 200]) + rng.normal(0, 14, (size, size))
        body = np.hypot((y - size / 2) / 1.0, (x - size / 2) / 1.2) < size * 0.42
        images[index] = np.clip(np.where(body, tone, rng.rayleigh(9, (size, size))), 0, 255)
        labels[index] = label
    return images, labels


def sheets() -> dict[str, bytes]:
    names = ("patients: generator", "pggan", "fastgan", "oracle", "memoriser")
    return {
        name: contact_sheet(*hearts(12, seed=index), columns=3, structures=STRUCTURES, colours=STUDY.colours)
        for index, name in enumerate(names)
    }


def examples() -> bytes:
    images, labels = hearts(3, seed=9)
    rows = []
    for index, rank in enumerate(("best", "median", "worst")):
        moved = {
            name: np.roll(labels[index], (index + k, index), (0, 1)) for k, name in enumerate(("real", "PG-GAN alone"))
        }
        scores = {"real": 0.95 - 0.06 * index, "PG-GAN alone": 0.93 - 0.08 * index}
        rows.append(Example(rank, "short-axis", f"ext-{index:03d}", images[index], labels[index], moved, scores))
    return example_segmentations(rows, DICE, structures=STRUCTURES, colours=STUDY.colours)


def provenance() -> dict[str, Any]:
    return {
        "params": {
            "seed": 20200511,
            "image_size": 64,
            "generator_cohort": "generator",
            "views": ["4ch", "2ch", "sax"],
            "generators": {"pggan": {"total_kimg": 60, "widths": [96, 96, 64, 32, 16], "ema_half_life_kimg": 1.5}},
            "segmenters": {"monai_unet": {"steps": 600, "learning_rate": 0.001}},
        },
        "versions": {"augbench": "0.1.0", "python": "3.11.7", "torch": "2.14.1", "monai": "1.6.1"},
        "hardware": {"cpu": "2 cores", "memory": "8 GiB", "accelerator": "none"},
        "stages": [
            {"stage": "all stages (wall time)", "seconds": 1310.0, "peak_mib": 210},
            {"stage": "prepare", "seconds": 41.0, "core_seconds": 40.0, "peak_mib": 620},
            {"stage": "train_generator@pggan", "seconds": 912.4, "peak_mib": 1480},
            {"stage": "train_generator@fastgan", "seconds": 903.0, "core_seconds": 902.0, "peak_mib": 1475},
            {"stage": "sample@pggan", "seconds": 35.2, "core_seconds": 34.2, "peak_mib": 910},
            {"stage": "train_segmenter@real", "seconds": 64.0, "core_seconds": 63.0, "peak_mib": 1100},
            {"stage": "compare", "seconds": 9.6, "core_seconds": 8.6, "peak_mib": 420},
        ],
    }


def site_tables(per_patient: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Columns of reports/sites.csv and reports/dose_response.csv."""
    means = per_patient[per_patient["metric"] == "dice"].groupby("arm", sort=False)["value"].mean()
    arms = {one.name: one for one in ARMS}
    sites, dose = [], []
    for site, gain in (("internal", 0.058), ("development", 0.019), ("external", 0.0)):
        for key, value in means.items():
            mean = value + gain * (1 if arms[key].generator is None else 1.1)
            sites.append((key, site, "dice", mean))
            bounded = site == "external" and arms[key].generator is not None
            limits = (mean - 0.007, mean + 0.006) if bounded else (np.nan, np.nan)
            dosed = 0 if arms[key].generator is None else arms[key].dose
            dose.append((key, arms[key].generator or "", dosed, site, "dice", mean, *limits))
    columns = ["arm", "generator", "dose", "site", "metric", "mean", "ci_low", "ci_high"]
    return pd.DataFrame(sites, columns=["arm", "site", "metric", "mean"]), pd.DataFrame(dose, columns=columns)


def variance_table() -> pd.DataFrame:
    """Columns arm, component, sd."""
    parts = {"patient": 0.031, "generator_seed": 0.0041, "segmenter_seed": 0.0032, "residual": 0.024}
    return pd.DataFrame(
        [
            {"arm": key, "component": name, "sd": sd}
            for key in SHIFT
            for name, sd in parts.items()
            if key != "real" or name != "generator_seed"
        ]
    )


def report_data(**changes: Any) -> ReportData:
    """A complete study; any part can be replaced."""
    per_patient = changes.pop("per_patient", None)
    per_patient = per_patient_table() if per_patient is None else per_patient
    sites, dose = site_tables(per_patient)
    comparison = comparison_table(per_patient)
    cohorts = [("generator", "main", 303, 2727), ("segmenter", "main", 42, 378), ("external", "external", 50, 450)]
    parts: dict[str, Any] = {
        "study": STUDY,
        "arms": ARMS,
        "metrics": (DICE, HD95),
        "primary_arm": "pggan-synthetic",
        "views": tuple(ANNOTATED),
        "structures": STRUCTURES,
        "provenance": provenance(),
        "comparison": comparison,
        "contrasts": contrasts_table(comparison),
        "per_patient": per_patient,
        "sites": sites,
        "dose": dose,
        "audit": audit_table(),
        "curves": curves_table(),
        "variance": variance_table(),
        "cohorts": pd.DataFrame(cohorts, columns=["cohort", "site", "subjects", "frames"]),
        "sheets": sheets(),
        "examples": examples(),
    }
    return ReportData(**(parts | changes))
