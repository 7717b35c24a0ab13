"""Seeded, realistic tidy tables for the tests of figures and report; no test of science rests on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from augbench.comparison.verdict import verdict
from augbench.report.data import AUDIT, ReportData
from augbench.report.sheets import Example, contact_sheet, example_segmentations

ANNOTATED = {
    "4ch": ("LV", "MYO", "RV", "RA", "LA"),
    "2ch": ("LV", "MYO", "LA"),
    "sax": ("LV", "MYO", "RV"),
}
STRUCTURES = ("LV", "MYO", "RV", "RA", "LA")
SHIFT = {
    "real": 0.0,
    "pggan/synthetic": -0.016,
    "pggan/mixed-1": 0.004,
    "pggan/mixed-8": 0.002,
    "fastgan/synthetic": -0.041,
    "oracle/synthetic": 0.021,
    "memoriser/synthetic": -0.064,
}
LEVEL = {"LV": 0.93, "MYO": 0.83, "RV": 0.90, "RA": 0.91, "LA": 0.92}


def per_subject_table(
    annotated: dict[str, tuple[str, ...]] = ANNOTATED, subjects: int = 50, seed: int = 1
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    names = [f"ext-{index:03d}" for index in range(subjects)]
    for view, structures in annotated.items():
        for structure in structures:
            patient = rng.normal(0, 0.018, subjects) - rng.exponential(0.012, subjects)
            for arm, shift in SHIFT.items():
                own = rng.normal(shift, 0.004)
                own_noise = rng.normal(0, 0.024, subjects)
                for generator_seed in (0,) if arm == "real" else (0, 1):
                    drift = 0 if arm == "real" else rng.normal(0, 0.004)
                    for segmenter_seed in (0, 1, 2):
                        noise = rng.normal(0, 0.012, subjects) + own_noise + rng.normal(0, 0.003)
                        dice = np.clip(LEVEL[structure] + patient + own + drift + noise, 0, 0.995)
                        if structure == "RV" and view == "sax" and segmenter_seed == 0:
                            dice[3] = 0.0
                        for name, value in zip(names, dice, strict=True):
                            rows.append((view, structure, "dice", arm, generator_seed, segmenter_seed, name, value))
                            rows.append(
                                (
                                    view,
                                    structure,
                                    "hd95",
                                    arm,
                                    generator_seed,
                                    segmenter_seed,
                                    name,
                                    22 * (1.02 - value),
                                )
                            )
    columns = ["view", "structure", "metric", "arm", "generator_seed", "segmenter_seed", "subject_id", "value"]
    table = pd.DataFrame(rows, columns=columns)
    table["generator_seed"] = table["generator_seed"].astype(str).where(table["arm"] != "real", "")
    return table.astype({"segmenter_seed": str})


def comparison_table(per_subject: pd.DataFrame) -> pd.DataFrame:
    keys = ["metric", "view", "structure", "arm", "subject_id"]
    means = per_subject.groupby(keys)["value"].mean().reset_index()
    overall = means.groupby(["metric", "arm", "subject_id"])["value"].mean().reset_index()
    means = pd.concat([means, overall.assign(view="all", structure="mean")], ignore_index=True)
    rows = []
    for (metric, view, structure), part in means.groupby(["metric", "view", "structure"]):
        wide = part.pivot(index="subject_id", columns="arm", values="value")
        for arm in [name for name in wide.columns if name != "real"]:
            difference = wide[arm] - wide["real"]
            mean, sd, n = float(difference.mean()), float(difference.std()), len(difference)
            half, half90 = 1.96 * sd / n**0.5, 1.645 * sd / n**0.5
            bounds = (mean - half, mean + half, mean - half90, mean + half90)
            p = float(np.exp(-0.717 * abs(mean) * n**0.5 / sd - 0.416 * (mean * n**0.5 / sd) ** 2))
            row: dict[str, Any] = {"view": view, "structure": structure, "metric": metric, "arm": arm}
            row |= {"reference_arm": "real", "n_subjects": n, "mean_difference": mean, "sd_paired": sd}
            row |= {"mean_arm": wide[arm].mean(), "mean_reference": wide["real"].mean()}
            row |= dict(zip(("ci_low", "ci_high", "ci90_low", "ci90_high"), bounds, strict=True))
            row |= {"p_wilcoxon": p, "p_holm": min(1.0, 11 * p)}
            row["verdict"] = verdict(
                *bounds, row["p_holm"], margin=0.01 if metric == "dice" else None, higher_is_better=metric == "dice"
            )
            for side, values in (("arm", wide[arm]), ("reference", wide["real"])):
                row |= {
                    f"{name}_{side}": values.quantile(q) for name, q in (("q1", 0.25), ("median", 0.5), ("q3", 0.75))
                }
                row[f"variation_{side}"] = values.std() / values.mean()
            row |= {"n_needed": int((1.66 * sd / 0.01) ** 2) + 1, "n_undefined": 2 if structure == "RV" else 0}
            rows.append(row)
    return pd.DataFrame(rows)


def audit_table() -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    scores = {"pggan": (0.031, 4.1, 1.02), "fastgan": (0.094, 11.8, 1.05)}
    scores |= {"oracle": (0.001, 0.31, 1.0), "memoriser": (0.004, 0.92, 0.12)}
    for generator, (kid, frechet, ratio) in scores.items():
        for seed in (0, 1):
            place = {"generator": generator, "seed": seed}
            for metric, features, value, floor in (
                ("kid", "segmenter", kid, 0.0004),
                ("frechet", "segmenter", frechet, 0.2),
                ("frechet", "pixels", 3 * frechet, 0.6),
            ):
                value *= 1 + 0.07 * seed
                bounds = {"ci_low": 0.9 * value, "ci_high": 1.2 * value, "floor_value": floor, "flag": ""}
                rows.append(
                    {**place, "axis": "fidelity", "metric": metric, "features": features, "value": value} | bounds
                )
            flag = "flagged" if generator == "memoriser" else "not flagged"
            for features in ("segmenter", "pixels"):
                found = {"metric": "nn_distance", "features": features, "value": ratio, "flag": flag}
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
    names = ("real", "pggan", "fastgan", "oracle", "memoriser")
    return {name: contact_sheet(*hearts(12, seed=index), columns=3, scale=2) for index, name in enumerate(names)}


def examples() -> bytes:
    images, labels = hearts(3, seed=9)
    rows = []
    for index, rank in enumerate(("best", "median", "worst")):
        moved = {
            name: np.roll(labels[index], (index + k, index), (0, 1))
            for k, name in enumerate(("real", "pggan/synthetic"))
        }
        dice = {"real": 0.95 - 0.06 * index, "pggan/synthetic": 0.93 - 0.08 * index}
        rows.append(Example(rank, "sax", f"ext-{index:03d}", images[index], labels[index], moved, dice))
    return example_segmentations(rows)


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
            {"stage": "prepare", "seconds": 41.0, "peak_mib": 620},
            {"stage": "train_generator@pggan-0", "seconds": 912.4, "peak_mib": 1480},
            {"stage": "train_generator@pggan-1", "seconds": 903.0, "peak_mib": 1475},
            {"stage": "sample@pggan-0", "seconds": 35.2, "peak_mib": 910},
            {"stage": "train_segmenter_real@0", "seconds": 64.0, "peak_mib": 1100},
            {"stage": "compare", "seconds": 9.6, "peak_mib": 420},
        ],
    }


def site_tables(per_subject: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    dice = per_subject[per_subject["metric"] == "dice"].groupby("arm")["value"].mean()
    sites, dose = [], []
    for arm, value in dice.items():
        for site, gain in (("internal", 0.058), ("development", 0.019), ("external", 0.0)):
            shift = gain * (0.8 if "mixed" in str(arm) else 1.1 if "synthetic" in str(arm) else 1)
            sites.append((arm, site, value + shift))
            generator, _, regime = str(arm).rpartition("/")
            number = 0.0 if arm == "real" else np.nan if regime == "synthetic" else float(regime[6:])
            bounded = site == "external" and arm != "real"
            limits = (value + shift - 0.007, value + shift + 0.006) if bounded else (np.nan, np.nan)
            dose.append((arm, generator, number, site, value + shift, *limits))
    columns = ["arm", "generator", "synthetic_per_real", "site", "mean_dice", "ci_low", "ci_high"]
    return pd.DataFrame(sites, columns=["arm", "site", "mean_dice"]), pd.DataFrame(dose, columns=columns)


def variance_table() -> pd.DataFrame:
    parts = {"patient": 0.031, "generator_seed": 0.0041, "segmenter_seed": 0.0032, "residual": 0.024}
    return pd.DataFrame(
        [
            {"arm": arm, "component": name, "sd": sd}
            for arm in SHIFT
            for name, sd in parts.items()
            if arm != "real" or name != "generator_seed"
        ]
    )


def report_data(**changes: Any) -> ReportData:
    """A complete study; any part can be replaced."""
    per_subject = changes.pop("per_subject", None)
    per_subject = per_subject_table() if per_subject is None else per_subject
    site_scores, dose = site_tables(per_subject)
    parts: dict[str, Any] = {
        "scheme": {
            "dataset": "phantom",
            "labels_source": "joint",
            "scored": {view: list(names) for view, names in ANNOTATED.items()},
            "selection": "best",
            "cohorts": [
                {"cohort": "generator", "site": "main", "subjects": 303, "frames": 2727},
                {"cohort": "segmenter", "site": "main", "subjects": 42, "frames": 378},
                {"cohort": "external", "site": "external", "subjects": 50, "frames": 450},
            ],
            "notes": ["The cohort is a phantom: no result here is a statement about patients."],
        },
        "provenance": provenance(),
        "comparison": comparison_table(per_subject),
        "per_subject": per_subject,
        "site_scores": site_scores,
        "dose": dose,
        "audit": audit_table(),
        "curves": curves_table(),
        "variance": variance_table(),
        "sheets": sheets(),
        "examples": examples(),
    }
    return ReportData(**(parts | changes))
