"""`augbench plan`: the formula, the prediction against simulated studies, the search, and what it refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bad_input import ROOT, run
from hypothesis import given, settings
from hypothesis import strategies as st

from augbench.comparison.blocks import Part
from augbench.comparison.estimate import Estimate
from augbench.comparison.pilot import seed_correlation, shown_correlation, variances
from augbench.comparison.plan import Design, StudyDraws, Variances, Widths, prospect, width
from augbench.core import layout
from augbench.core.arms import Run, arms_of
from augbench.core.artifacts import write_json
from augbench.core.errors import UserError
from augbench.core.params import Params, read_params
from augbench.core.reports import write_report_table
from augbench.stages import duration
from augbench.stages.costs import PROBED, Costs, costs
from augbench.stages.evaluate import arms_table
from augbench.stages.plan import Limits, rank
from augbench.stages.train_segmenter import stage_of

DRAWS = StudyDraws()


def squares(
    pa: float = 0.012,
    pg: float = 0.008,
    e: float = 0.012,
    e0: float = 0.012,
    g: float = 0.003,
    s: float = 0.001,
    r: float = 0.002,
    r0: float = 0.002,
    correlation: float = 0.0,
) -> Variances:
    """From SDs."""
    return Variances(*(np.array(sd**2) for sd in (pa, pg, e, e0, g, s, r, r0)), correlation=correlation)


def simulated(v: Variances, design: Design, studies: int, seed: int = 0) -> list[Part]:
    """Scores of whole studies, (studies, n, G, S) and (studies, n, 1, S0), as the design would make them."""
    rng, (n, g, s, s0) = np.random.default_rng(seed), (
        design.patients, design.generators, design.segmenters, design.reference,
    )  # fmt: skip

    def draw(variance: object, *shape: int) -> np.ndarray:
        return np.sqrt(variance) * rng.standard_normal((studies, *shape))  # type: ignore[arg-type, no-any-return]

    both = rng.standard_normal((2, studies, 1, 1, max(s, s0)))
    both[1] = v.correlation * both[0] + np.sqrt(1 - v.correlation**2) * both[1]
    arm = draw(v.response, n, 1, 1) + draw(v.residual, n, g, s)
    if v.has_generator:
        arm = arm + draw(v.generator_response, n, g, 1) + draw(v.generator, 1, g, 1) + draw(v.training, 1, g, s)
    arm = arm + np.sqrt(v.segmenter) * both[0][..., :s]
    reference = np.sqrt(v.reference) * both[1][..., :s0] + draw(v.reference_residual, n, 1, s0)
    names = tuple(range(max(s, s0)))
    generators = tuple(("gan", seed) for seed in range(g)) if v.has_generator else ()
    return [Part(arm, 1.0, generators, names[:s]), Part(reference, -1.0, (), names[:s0], of_reference=True)]


class TestFormula:
    def test_the_variance_is_that_of_the_page(self) -> None:
        pa, pg, e, e0, g, r, r0 = 0.011, 0.007, 0.013, 0.009, 0.004, 0.003, 0.0025
        v = squares(pa, pg, e, e0, g, 0.0, r, r0)
        for n, G, S, S0 in ((50, 3, 4, 12), (15, 2, 2, 2), (200, 5, 3, 3)):
            wanted = pa**2 / n + pg**2 / (n * G) + e**2 / (n * G * S) + g**2 / G + r**2 / (G * S)
            wanted += r0**2 / S0 + e0**2 / (n * S0)
            assert float(v.error(Design(G, S, S0, n)) ** 2) == pytest.approx(wanted)

    def test_a_common_segmenter_seed_takes_off_twice_its_covariance(self) -> None:
        v = squares(s=0.004, r0=0.004, correlation=0.5)
        apart, together = replace(v, correlation=0.0), v
        for S, S0 in ((3, 3), (3, 5), (5, 3)):
            design = Design(3, S, S0, 50)
            taken = apart.error(design) ** 2 - together.error(design) ** 2
            assert float(taken) == pytest.approx(2 * 0.5 * 0.004**2 * min(S, S0) / (S * S0))

    def test_it_is_the_variance_of_simulated_means(self) -> None:
        v, design = squares(g=0.006, s=0.004, r0=0.005, correlation=0.8), Design(3, 4, 6, 30)
        found = Estimate.of(simulated(v, design, 3000)).mean
        assert float(found.std(ddof=1)) == pytest.approx(float(v.error(design)), rel=0.05)


class TestWidth:
    @pytest.mark.parametrize(
        ("v", "design"),
        [
            (squares(), Design(3, 3, 12, 50)),
            (squares(), Design(2, 3, 3, 50)),
            (squares(g=0.012), Design(2, 3, 3, 50)),
            (squares(g=0.012), Design(3, 3, 12, 50)),
            (squares(r=0.006, r0=0.006), Design(3, 5, 3, 30)),
            (squares(s=0.006, r0=0.006, correlation=0.9), Design(4, 3, 5, 50)),
            (replace(squares(pg=0, g=0, r=0, s=0.004), has_generator=False), Design(1, 4, 6, 15)),
            (squares(pa=0.03), Design(5, 2, 4, 15)),
        ],
    )
    def test_what_is_predicted_is_what_studies_find(self, v: Variances, design: Design) -> None:
        found = 2 * Estimate.of(simulated(v, design, 1000)).precision().reach(0.025)
        predicted = width(v, design, 0.05, DRAWS)
        assert predicted.mean() == pytest.approx(found.mean(), rel=0.1)
        assert np.median(predicted) == pytest.approx(np.median(found), rel=0.1)

    def test_shares_and_degrees_are_those_that_the_engine_gives_such_a_design(self) -> None:
        v = squares()
        for design in (Design(3, 3, 12, 50), Design(3, 5, 2, 50), Design(4, 4, 4, 20)):
            seen, made = v.seen(design, DRAWS), Estimate.of(simulated(v, design, 1))
            expected = [
                (share.degrees, {name: size for name, (_, size) in share.sources.items()}) for share in made.parts
            ]
            found = [(share.degrees, {name: size for name, (_, size) in share.sources.items()}) for share in seen.parts]
            assert sorted(found, key=str) == sorted(expected, key=str)

    # Within 1%, and of components that do not let few generator seeds dominate: there, what more of all else takes off
    # the error it takes off the degrees of freedom, too, and the width stays as it is.
    @settings(max_examples=30, deadline=None)
    @given(
        st.tuples(*(st.integers(3, 8) for _ in range(3)), st.sampled_from([15, 30, 50, 100, 200])),
        st.sampled_from(range(4)),
        st.integers(1, 6),
        st.floats(0.3, 1),
        st.floats(0.3, 3),
    )
    def test_it_falls_with_every_number(
        self, numbers: tuple[int, ...], which: int, more: int, generator: float, training: float
    ) -> None:
        v = squares(g=0.003 * generator, r=0.002 * training, r0=0.002 * training)
        grown = list(numbers)
        grown[which] += more * (10 if which == 3 else 1)
        before, after = (width(v, Design(*one), 0.05, DRAWS).mean() for one in (numbers, grown))
        assert after < before * 1.01
        assert v.error(Design(*grown)) < v.error(Design(*numbers))


class TestDecidable:
    def test_margin_and_difference_are_decided_in_four_studies_of_five(self) -> None:
        v, design = squares(), Design(3, 3, 12, 50)
        found = prospect(v, design, 0.05, DRAWS)
        estimate = Estimate.of(simulated(v, design, 3000))
        precision = estimate.precision()
        equivalent = np.abs(estimate.mean) + precision.reach(0.05) < found.margin
        told = np.abs(estimate.mean + found.difference) > precision.reach(0.025)
        assert equivalent.mean() == pytest.approx(0.8, abs=0.03)
        assert told.mean() == pytest.approx(0.8, abs=0.03)

    def test_the_source_that_limits_has_the_largest_share(self) -> None:
        found = prospect(squares(g=0.02), Design(3, 3, 12, 50), 0.05, DRAWS)
        assert found.limiting == "generator seeds"
        assert sum(found.shares.values()) == pytest.approx(1)
        assert prospect(squares(pa=0.1), Design(3, 3, 12, 50), 0.05, DRAWS).limiting == "patients"


class TestPilot:
    def test_a_large_pilot_gives_its_components_back(self) -> None:
        truth = squares(pa=0.02, pg=0.01, e=0.01, e0=0.012, g=0.006, s=0.004, r=0.003, r0=0.005)
        arm, reference = simulated(truth, Design(150, 60, 200, 300), 1)
        found = variances(*(replace(part, scores=part.scores[0]) for part in (arm, reference)), DRAWS)
        for name in ("response", "generator_response", "residual", "reference_residual", "generator", "segmenter",
                     "training", "reference"):  # fmt: skip
            value = np.median(getattr(found, name))
            assert np.sqrt(value) == pytest.approx(np.sqrt(getattr(truth, name)), rel=0.15), name

    def test_few_seeds_say_little(self) -> None:
        parts = [replace(part, scores=part.scores[0]) for part in simulated(squares(), Design(2, 3, 3, 50), 1, seed=3)]
        low, high = np.quantile(variances(*parts, DRAWS).generator, [0.1, 0.9])
        assert high > 30 * low

    def test_one_generator_seed_is_not_made_up(self) -> None:
        parts = [replace(part, scores=part.scores[0]) for part in simulated(squares(), Design(1, 3, 3, 50), 1)]
        with pytest.raises(UserError, match="the variance between generators is unknown") as caught:
            variances(*parts, DRAWS)
        assert "--generator-sd" in str(caught.value)
        assert variances(*parts, DRAWS, generator_sd=0.004).generator == pytest.approx(0.004**2)

    def test_one_segmenter_seed_is_not_made_up_either(self) -> None:
        parts = [replace(part, scores=part.scores[0]) for part in simulated(squares(), Design(3, 3, 1, 50), 1)]
        with pytest.raises(UserError, match="the reference arm has one segmenter seed"):
            variances(*parts, DRAWS)

    def test_a_correlation_counts_only_where_it_is_shown(self) -> None:
        v = squares(s=0.01, r0=0.01, correlation=0.95)
        few, many = (
            [replace(part, scores=part.scores[0]) for part in simulated(v, Design(3, k, k, 200), 1)] for k in (3, 12)
        )
        assert seed_correlation(*few)[1] == (-1.0, 1.0)
        assert shown_correlation(*few) == 0
        assert shown_correlation(*many) == pytest.approx(0.95, abs=0.1)


PRICE = Costs(
    fixed=600,
    generator_seed=900,
    training=70,
    reference=60,
    score=0.02,
    other_runs=6,
    runs_per_generator=6,
    source=PROBED,
)

WIDTHS = Widths(squares(), 0.05, DRAWS)


class TestSearch:
    def test_costs_by_hand(self) -> None:
        seconds = 600 + 3 * 900 + 12 * 70 + 10 * 60 + 50 * 0.02 * (12 + 10 + 6 + 18)
        assert PRICE.core_minutes(Design(3, 4, 10, 50)) == pytest.approx(seconds / 60)

    @settings(max_examples=6, deadline=None)
    @given(st.floats(60, 120), st.integers(10, 300), st.booleans())
    def test_the_budget_is_never_exceeded(self, budget: float, patients: int, fixed: bool) -> None:
        designs = rank(WIDTHS, PRICE, Limits(budget, patients, fixed))
        assert designs
        for design in designs:
            assert PRICE.core_minutes(design) <= budget * (1 + 1e-9)
            assert design.patients == patients if fixed else 6 <= design.patients <= patients

    def test_the_first_is_the_narrowest(self) -> None:
        ranked = rank(WIDTHS, PRICE, Limits(100, 50, True))
        widths = [np.median(width(squares(), design, 0.05, DRAWS)) for design in ranked]
        assert widths == sorted(widths)
        # What the money can buy is bought: no design with more of everything fits.
        best = ranked[0]
        assert PRICE.core_minutes(replace(best, generators=best.generators + 1)) > 100

    def test_too_small_a_budget_has_no_design(self) -> None:
        assert rank(WIDTHS, PRICE, Limits(10, 50, True)) == []

    def test_patients_are_bought_as_far_as_the_budget_goes(self) -> None:
        dear = replace(PRICE, score=1.0)
        for design in rank(WIDTHS, dear, Limits(90, 500, False))[:5]:
            assert design.patients < 500
            assert dear.core_minutes(replace(design, patients=design.patients + 1)) > 90


class TestCommand:
    """On results of a small study, written as `evaluate` would."""

    @pytest.fixture
    def study(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        shutil.copy(ROOT / "studies/smoke/params.yaml", tmp_path)
        shutil.copy(ROOT / "studies/smoke/study.yaml", tmp_path)
        monkeypatch.chdir(tmp_path)
        params = read_params()
        write_report_table(layout.ARMS, arms_table(params))
        write_report_table(layout.PER_PATIENT, _scores(params))
        return tmp_path

    @pytest.fixture
    def timed(self, study: Path) -> Path:
        params = read_params()
        parts = {f"train_generator@{name}+0": 60.0 for name in params.generators}
        parts |= {f"{stage_of(arm)}+{arm.runs[0].name}": 30.0 for arm in arms_of(params)}
        parts |= {"evaluate": 12.0, "audit@pggan": 8.0}
        rows = [{"stage": name, "seconds": 2 * spent, "core_seconds": spent} for name, spent in parts.items()]
        write_json(layout.PROVENANCE, {"stages": rows})
        return study

    def test_a_study_without_results_says_what_to_do(self, study: Path) -> None:
        layout.PER_PATIENT.unlink()
        code, _, message = run(study, "plan")
        assert code == 2
        assert "the study has no results to plan by" in message
        assert "augbench repro" in message

    def test_a_single_generator_seed_is_refused_or_stated(self, timed: Path) -> None:
        one = _scores(read_params()).query("generator_seed in ('', '0')")
        write_report_table(layout.PER_PATIENT, one)
        code, _, message = run(timed, "plan")
        assert code == 2
        assert "the variance between generators is unknown" in message
        code, shown, message = run(timed, "plan", "--generator-sd", "0.004", "--json", "--core-minutes", "20")
        assert code == 0, message
        assert json.loads(shown)["designs"][0]["decided"] is None, "the present design has no interval that knows it"

    def test_it_prints_designs_and_says_what_is_decidable(self, timed: Path) -> None:
        code, shown, message = run(timed, "plan", "--core-minutes", "20", "--max-patients", "40")
        assert code == 0, message
        assert "present" in shown
        assert "best" in shown
        text = " ".join(shown.split())
        assert "a margin of 0.01 is" in text
        assert "the source that limits is" in text
        assert "times of its own run" in text
        assert "\x1b" not in shown

    def test_fifteen_patients_are_told_what_they_can_see(self, timed: Path) -> None:
        code, shown, _ = run(timed, "plan", "--patients", "15", "--core-minutes", "20")
        assert code == 0
        assert "and 15 patients" in " ".join(shown.split())

    def test_the_document_holds_every_number(self, timed: Path) -> None:
        code, shown, message = run(timed, "plan", "--json", "--core-minutes", "20")
        assert code == 0, message
        found = json.loads(shown)
        present, best = found["designs"][:2]
        assert (present["generators"], present["segmenters"]) == (2, 2)
        assert best["core_minutes"] <= found["core_minutes"] == 20
        assert sum(best["decided"]["shares"].values()) == pytest.approx(1)
        assert best["decided"]["low"] <= best["decided"]["width"] <= best["decided"]["high"]

    def test_without_a_budget_the_present_design_sets_it(self, timed: Path) -> None:
        found = json.loads(run(timed, "plan", "--json")[1])
        assert found["core_minutes"] == found["designs"][0]["core_minutes"]
        assert found["designs"][1]["decided"]["width"] <= found["designs"][0]["decided"]["width"]

    def test_without_times_a_probe_is_taken(self, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(duration, "seconds_per_frame", lambda *_: 0.001)
        monkeypatch.setattr(duration, "_draw_seconds", lambda *_: 0.001)
        monkeypatch.setattr(duration, "_fit_seconds", lambda params, _: dict.fromkeys(params.generators, 20.0))
        price = costs(read_params(), 12, 6.0)
        assert price.source == PROBED
        training = read_params().training
        assert 0 < price.training <= 2 * training.steps * training.batch_size * 0.001

    def test_two_numbers_of_patients_exclude_each_other(self, study: Path) -> None:
        assert "exclude each other" in run(study, "plan", "--patients", "15", "--max-patients", "20")[2]


def _scores(params: Params) -> pd.DataFrame:
    """Two generator seeds, two segmenter seeds everywhere, 12 patients, one structure."""
    rng, level = np.random.default_rng(0), np.random.default_rng(1).normal(0.85, 0.03, 12)
    effects: dict[object, float] = {}
    rows = []
    for arm in arms_of(params):
        for one in [Run(arm.name, s, g) for g in (arm.generator_seeds and (0, 1)) or (None,) for s in (0, 1)]:
            effect = effects.setdefault((arm.name, one.generator_seed), rng.normal(0, 0.004)) + rng.normal(0, 0.002)
            rows += [
                {
                    "view": "sax", "structure": "LV", "metric": "dice", **one.identity, "subject_id": f"p{case}",
                    "site": "external", "value": level[case] + effect + rng.normal(0, 0.01), "n_frames": 2,
                    "n_undefined": 0,
                }
                for case in range(12)
            ]  # fmt: skip
    return pd.DataFrame(rows)
