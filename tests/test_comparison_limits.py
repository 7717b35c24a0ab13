"""What keeps a row from a decision: the dominating source is named, and the advice is checked by taking it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from augbench.comparison.rows import Rules
from augbench.comparison.table import compare
from augbench.core.tables import LIMIT_COLUMNS, PER_PATIENT_COLUMNS

Cube = NDArray[np.float64]
MARGIN = 0.01


def rows_of(arm: str, cube: Cube, *, has_generator: bool, first_seed: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "view": "v", "structure": "s", "metric": "m", "arm": arm, "generator_seed": str(g) if has_generator else "",
            "segmenter_seed": str(first_seed + s), "subject_id": f"p{n:04d}", "site": "x",
            "value": cube[n, g, s], "n_frames": 1, "n_undefined": 0,
        }
        for n, g, s in np.ndindex(*cube.shape)
    ]  # fmt: skip


def judged(arm: Cube, reference: Cube, **options: Any) -> pd.Series:
    """The only row of a study of two arms in one place."""
    rows = [*rows_of("a", arm, has_generator=True), *rows_of("r", reference, has_generator=False, first_seed=50)]
    table = pd.DataFrame(rows, columns=list(PER_PATIENT_COLUMNS))
    chosen: dict[str, Any] = {"margins": {"m": MARGIN}} | options
    rules = Rules({"m": True}, **chosen)
    return compare(table, rules, reference_arm="r").iloc[0]


def spread(count: int, sd: float) -> Cube:
    """`count` effects of mean 0 and exactly this standard deviation."""
    effects = np.linspace(-1, 1, count)
    return effects * sd / effects.std(ddof=1)


def study(
    n: int = 40, generators: int = 3, segmenters: int = 4, references: int = 4, *,
    patient: float = 0.0, generator: float = 0.0, segmenter: float = 0.0, training: float = 0.0, reference: float = 0.0,
) -> tuple[Cube, Cube]:  # fmt: skip
    """Two arms of equal mean; each argument is the standard deviation of one source, exactly."""
    rng = np.random.default_rng(5)
    level = 0.8 + spread(n, 0.03)[:, None, None]
    arm = level + rng.permutation(spread(n, patient))[:, None, None] + rng.normal(0, 1e-4, (n, generators, segmenters))
    arm = arm + spread(generators, generator)[:, None] + spread(segmenters, segmenter)
    crossed = np.outer(spread(generators, 1.0), spread(segmenters, 1.0))
    # The mean square of effects that are products has (G - 1)(S - 1) degrees of freedom.
    arm = arm + training * crossed
    return arm, level + spread(references, reference) + rng.normal(0, 1e-4, (n, 1, references))


NOISE = 0.025


@pytest.mark.parametrize(
    ("dominating", "named"),
    [
        ({"patient": 0.08}, "patients"),
        ({"generator": NOISE, "segmenter": 0.004}, "generator seeds"),
        ({"segmenter": NOISE, "patient": 0.01}, "segmenter seeds"),
        ({"training": 2 * NOISE}, "single trainings"),
        ({"reference": NOISE, "generator": 0.002}, "reference seeds"),
    ],
)
def test_the_source_that_dominates_is_named(dominating: dict[str, float], named: str) -> None:
    row = judged(*study(**dominating))
    assert (row["verdict"], row["limited_by"]) == ("inconclusive", named)
    assert row["limited_share"] > 0.8
    # Seeds are advised where seeds limit, and patients where they do.
    assert np.isnan(row["patients_needed"]) == (named != "patients")
    assert np.isnan(row["seeds_needed"]) == (named == "patients")


def test_a_decided_row_lacks_nothing() -> None:
    row = judged(*study(patient=0.02))
    assert row["verdict"] == "equivalent"
    assert row[list(LIMIT_COLUMNS)].isna().all()


def test_as_many_patients_as_advised_decide_and_far_fewer_do_not() -> None:
    advised = int(judged(*study(patient=0.08))["patients_needed"])
    assert advised > 40
    assert judged(*study(int(1.15 * advised), patient=0.08))["verdict"] == "equivalent"
    assert judged(*study(int(0.85 * advised), patient=0.08))["verdict"] == "inconclusive"


@pytest.mark.parametrize(("source", "seeds"), [("generator", "generators"), ("reference", "references")])
def test_as_many_seeds_as_advised_decide_and_far_fewer_do_not(source: str, seeds: str) -> None:
    present = {"generators": 3, "references": 4}[seeds]
    sources = {source: 0.015}
    advised = int(judged(*study(**sources))["seeds_needed"])
    assert advised > present
    # The advice sees the caution with which few seeds are taken go as seeds are added; what is left is rounding.
    assert judged(*study(**{seeds: advised + 2}, **sources))["verdict"] == "equivalent"
    assert judged(*study(**{seeds: advised - 3}, **sources))["verdict"] == "inconclusive"
    assert judged(*study(**{seeds: present}, **sources))["verdict"] == "inconclusive"


def test_few_seeds_are_named_where_more_of_them_would_decide_and_more_patients_would_not() -> None:
    two = {"n": 50, "patient": 0.04, "generator": 0.004}
    row = judged(*study(generators=2, **two))
    assert (row["verdict"], row["limited_by"]) == ("inconclusive", "generator seeds")
    # Patients make most of the variance, but two seeds leave about one degree of freedom.
    assert row["limited_share"] < 0.3
    assert np.isnan(row["patients_needed"])
    assert judged(*study(generators=int(row["seeds_needed"]) + 2, **two))["verdict"] == "equivalent"


def test_where_two_sources_share_the_variance_neither_alone_decides() -> None:
    row = judged(*study(generator=NOISE, reference=1.1 * NOISE))
    assert row["limited_by"] in ("generator seeds", "reference seeds")
    assert row[["patients_needed", "seeds_needed"]].isna().all()


def test_a_difference_at_the_margin_is_decided_as_a_difference_or_not_at_all() -> None:
    arm, reference = study(patient=0.08)
    row = judged(arm + MARGIN, reference)
    assert (row["verdict"], row["limited_by"]) == ("inconclusive", "patients")
    # Never equivalent, however many patients: it takes those who show that it is not 0, to the rank test as well.
    by_interval = (1.96 * 0.08 / MARGIN) ** 2
    assert 0.9 * by_interval < row["patients_needed"] < 2 * by_interval


def test_the_correction_for_many_tests_asks_for_more_patients() -> None:
    arm, reference = study(patient=0.03)
    shifted = arm + 0.009
    alone = judged(shifted, reference, margins={})
    rows = [*rows_of("r", reference, has_generator=False), *rows_of("a", shifted, has_generator=True)]
    rows += [row for k in range(30) for row in rows_of(f"other{k}", arm, has_generator=True)]
    table = pd.DataFrame(rows, columns=list(PER_PATIENT_COLUMNS))
    rules = Rules({"m": True}, margins={})
    among = compare(table, rules, reference_arm="r").set_index("arm").loc["a"]
    assert alone["verdict"] == "inconclusive" or alone["p_holm"] < among["p_holm"]
    assert among["verdict"] == "inconclusive"
    assert among["patients_needed"] > (40 if alone["verdict"] != "inconclusive" else alone["patients_needed"])


def test_too_few_patients_for_an_interval() -> None:
    row = judged(*study(5))
    assert (row["verdict"], row["limited_by"]) == ("inconclusive", "patients")
    assert row[["limited_share", "patients_needed", "seeds_needed"]].isna().all()
