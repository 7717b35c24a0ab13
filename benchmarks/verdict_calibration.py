"""How often the intervals, verdicts and the gate are right, when the truth is known: a grid of whole studies.

    python benchmarks/verdict_calibration.py --repetitions 400                # find the cells that break
    python benchmarks/verdict_calibration.py --output docs/verdict-calibration.csv \\
        --figure docs/images/verdict-calibration.svg

Each study has a reference arm and three arms of one generator, in three places, and no true difference. Scores are sums
of normal effects: a patient's response to an arm, to a generator, to a single run; a generator seed's, a segmenter
seed's and a single training's. Between places effects are correlated at one half. The SD below are of the mean over
places. One of them at a time is a third or three times as large. Everything is judged by the project's own functions.

The output is resumed: cells that it has are not simulated again. Columns: `coverage` of the 95% interval of the primary
endpoint; `width` and `width_known` over that of an oracle who knows the components, or only their ratios;
`false_primary`, `false_secondary`: share of studies with a wrong better or worse; `false_equivalent`: with an
equivalence declared at the margin; `gate_missed`, `gate_missed_part`: a loss of the margin everywhere, or of two
margins in one arm, that passes; `gate_alarm`, `gate_alarm_margin`: a fail without a loss, or with a loss of
exactly the margin. `seeds_unknown` and `gate_marked` say that the verdict or the gate is marked so.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from augbench.comparison.blocks import Array, Part
from augbench.comparison.estimate import Estimate
from augbench.comparison.gate import OVERALL, decide
from augbench.comparison.tests import holm
from augbench.comparison.verdict import inside_margin

#: SD of the mean over places, in units of Dice, as the phantom's studies have them.
COMPONENTS = {"patient": 0.02, "patient_generator": 0.01, "residual": 0.02, "generator": 0.004, "segmenter": 0.003,
              "training": 0.003}  # fmt: skip
DESIGNS = ((1, 3), (2, 3), (3, 1), (3, 3), (5, 5))
MARGIN, ALPHA, ARMS, PLACES = 0.01, 0.05, 3, 3
#: Scores of this many runs, patients and places are drawn at once.
_BATCH = 4_000_000
RATES = ("coverage", "width", "width_known", "false_primary", "false_secondary", "false_equivalent", "gate_missed",
         "gate_missed_part", "gate_alarm", "gate_alarm_margin")  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One design with one set of components.

    Attributes:
        correlation: of segmenter seeds' effects between arms, and of generator seeds' between arms of a generator.
    """

    generator_seeds: int
    segmenter_seeds: int
    reference_seeds: int
    patients: int
    correlation: float
    component: str
    factor: float

    def sd(self, name: str) -> float:
        return COMPONENTS[name] * (self.factor if name == self.component else 1.0)

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(f"{value:.4g}" if isinstance(value, float) else str(value) for value in vars(self).values())


def grid() -> list[Cell]:
    scales = [("none", 1.0), *product(COMPONENTS, (1 / 3, 3.0))]
    return [
        Cell(g, s, reference, n, correlation, *scale)
        for (g, s), n, correlation, scale in product(DESIGNS, (15, 50, 200), (0.0, 0.9), scales)
        for reference in ((s,) if correlation == 0 else (s, 12))
    ]


def effects(
    rng: np.random.Generator, sd: float, shape: tuple[int, ...], correlation: float = 0.0, arms: int = ARMS + 1
) -> Array:
    """(arms, PLACES, *shape) effects; of all arms and the reference, which is the last."""

    def draw(count: int) -> Array:
        # Studies lie side by side in memory: sums over a few seeds are then fast.
        found = rng.standard_normal((count, PLACES, *shape[::-1]), dtype=np.float32)
        found += rng.standard_normal((count, 1, *shape[::-1]), dtype=np.float32)
        # The mean over places has variance 1.
        found *= np.float32(sd / np.sqrt(1 + 1 / PLACES))
        return found.transpose(0, 1, *range(len(shape) + 1, 1, -1))

    found = draw(arms)
    return (
        found
        if correlation == 0
        else np.sqrt(correlation, dtype=np.float32) * draw(1) + np.sqrt(1 - correlation, dtype=np.float32) * found
    )


def revision(cell: Cell, batch: int, rng: np.random.Generator) -> list[Array]:
    """Scores (PLACES, batch, n, G, S) of every arm, the reference last."""
    n, g, s = cell.patients, cell.generator_seeds, cell.segmenter_seeds
    most = max(s, cell.reference_seeds)
    response = effects(rng, cell.sd("patient") / np.sqrt(2), (batch, n, 1, 1))
    of_segmenter = effects(rng, cell.sd("segmenter"), (batch, 1, 1, most), cell.correlation)
    of_generator = effects(rng, cell.sd("generator"), (batch, 1, g, 1), cell.correlation)
    of_patient = effects(rng, cell.sd("patient_generator"), (batch, n, g, 1), arms=ARMS)
    trainings = effects(rng, cell.sd("training"), (batch, 1, g, most))
    residual = effects(rng, cell.sd("residual"), (batch, n, g, s), arms=ARMS)
    arms = [
        response[arm] + of_segmenter[arm][..., :s] + of_generator[arm] + of_patient[arm] + trainings[arm][..., :s]
        + residual[arm] for arm in range(ARMS)
    ]  # fmt: skip
    noise = effects(rng, cell.sd("residual"), (batch, n, 1, cell.reference_seeds), arms=1)[0]
    seeds = of_segmenter[-1] + trainings[-1][..., :1, :]
    return [*arms, response[-1] + seeds[..., : cell.reference_seeds] + noise]


def parts(cell: Cell, arms: list[Array], weight: float = 1.0) -> list[Part]:
    """Every arm as a term, with the names of its seeds."""
    generators = tuple(("generator", seed) for seed in range(cell.generator_seeds))
    of_arms = [Part(scores, weight, generators, tuple(range(cell.segmenter_seeds))) for scores in arms[:-1]]
    return [*of_arms, Part(arms[-1], -weight, (), tuple(range(cell.reference_seeds)), of_reference=True)]


def truth(cell: Cell) -> tuple[float, float]:
    """Variance of the primary endpoint's mean, and Satterthwaite's degrees of freedom of the true shares."""
    g, s, s0, n = cell.generator_seeds, cell.segmenter_seeds, cell.reference_seeds, cell.patients
    square = {name: cell.sd(name) ** 2 for name in COMPONENTS}
    runs, shared = square["training"] / (g * s), min(s, s0) / (s * s0)
    of_patients = square["patient"] + square["patient_generator"] / g + square["residual"] * (1 / (g * s) + 1 / s0)
    of_segmenters = square["segmenter"] * (1 / s + 1 / s0 - 2 * cell.correlation * shared) + square["training"] / s0
    total = of_patients / n + square["generator"] / g + runs + of_segmenters
    shares = [(of_patients / n, n - 1), (square["generator"] / g + runs, g - 1), (of_segmenters, min(s, s0) - 1)]
    uncertain = sum(value**2 / degrees for value, degrees in shares if degrees > 0)
    return total, total**2 / uncertain


def simulate(cell: Cell, repetitions: int) -> dict[str, object]:
    from scipy.stats import norm, t

    rng = np.random.default_rng([2026, *(int(1000 * float(v)) if v[0].isdigit() else len(v) for v in cell.key)])
    runs = ARMS * cell.generator_seeds * cell.segmenter_seeds + cell.reference_seeds
    batch = max(min(_BATCH // (runs * cell.patients * PLACES), repetitions), 1)
    variance, degrees = truth(cell)
    counts, unknown, blind = dict.fromkeys(RATES, 0.0), "", False
    for start in range(0, repetitions, batch):
        size = min(batch, repetitions - start)
        base, head = revision(cell, size, rng), revision(cell, size, rng)
        rows = list(differences(cell, base))
        unknown = " and ".join(rows[0].unknown)
        outcomes, blind = gated(cell, base, head)
        for name, value in {**verdicts(rows), **outcomes}.items():
            counts[name] += value
    found = {name: count / repetitions for name, count in counts.items()}
    oracle = 2 * norm.isf(ALPHA / 2) * np.sqrt(variance)
    known = 2 * t.isf(ALPHA / 2, degrees) * np.sqrt(variance)
    widths = {"width": found["width"] / oracle, "width_known": found["width"] / known}
    names = dict(zip(vars(cell), cell.key, strict=True))
    return {**names, "repetitions": repetitions, **found, **widths, "seeds_unknown": unknown, "gate_marked": blind}


def differences(cell: Cell, arms: list[Array]) -> Iterator[Estimate]:
    """Every arm against the reference: the primary row first, then all others."""
    terms = parts(cell, arms)
    for arm in terms[:-1]:
        for place in (None, *range(PLACES)):
            yield Estimate.of([at(arm, place), at(terms[-1], place)])


def at(part: Part, place: int | None) -> Part:
    """In one place, or in the mean of all."""
    return replace(part, scores=part.scores.mean(axis=0) if place is None else part.scores[place])


def verdicts(rows: list[Estimate]) -> dict[str, float]:
    """Sums over the studies of a batch."""
    mean, precision = rows[0].mean, rows[0].precision()
    reach, reach90 = precision.reach(ALPHA / 2), precision.reach(ALPHA)
    p = np.array([2 * row.precision().below(-np.abs(row.mean)) for row in rows])
    secondary = [holm(values).min() < ALPHA for values in p[1:].T]
    lies = zip(mean + MARGIN - reach90, mean + MARGIN + reach90, strict=True)
    return {
        "coverage": float((np.abs(mean) <= reach).sum()),
        "width": float(2 * reach.sum()),
        "width_known": 0.0,
        "false_primary": float((p[0] < ALPHA).sum()),
        "false_secondary": float(np.sum(secondary)),
        "false_equivalent": float(sum(inside_margin(low, high, MARGIN) for low, high in lies)),
    }


def gated(cell: Cell, base: list[Array], head: list[Array]) -> tuple[dict[str, float], bool]:
    """Outcomes of the gate on two revisions, all trained again, with known losses; and whether it says it is blind."""

    # Every arm is a term of its own change, the reference arm's too.
    sides = [[replace(one, weight=sign) for one in parts(cell, arms)] for arms, sign in ((head, 1.0), (base, -1.0))]
    count = len(head)
    every = [replace(one, weight=one.weight / count) for side in sides for one in side]
    rows = {OVERALL: Estimate.of([at(one, None) for one in every])}
    rows |= {f"arm {k}": Estimate.of([at(side[k], None) for side in sides]) for k in range(count)}
    rows |= {f"place {k}": Estimate.of([at(one, k) for one in every]) for k in range(PLACES)}

    def outcomes(losses: list[float]) -> tuple[float, float]:
        """Shares that pass and fail, with a loss that is the same for all patients and places of an arm."""
        of_mean = sum(losses) / count
        lost = [of_mean, *losses, *[of_mean] * PLACES]
        moved = zip(rows.items(), lost, strict=True)
        passes, fails = decide({name: replace(row, mean=row.mean - loss) for (name, row), loss in moved}, MARGIN, ALPHA)
        return float(passes.sum()), float(fails.sum())

    _, alarm = outcomes([0.0] * count)
    missed, alarm_margin = outcomes([MARGIN] * count)
    missed_part, _ = outcomes([2 * MARGIN, *[0.0] * (count - 1)])
    found = {"gate_missed": missed, "gate_missed_part": missed_part}
    found |= {"gate_alarm": alarm, "gate_alarm_margin": alarm_margin}
    return found, any(row.unknown for row in rows.values())


def run(output: Path, repetitions: int) -> pd.DataFrame:
    """The table, with what it lacks simulated and written cell by cell."""
    names = list(vars(grid()[0]))
    done = pd.read_csv(output, dtype=str, keep_default_na=False) if output.is_file() else pd.DataFrame(columns=names)
    known = set(done[names].itertuples(index=False, name=None))
    for cell in grid():
        if cell.key not in known:
            row = pd.DataFrame([simulate(cell, repetitions)])
            fresh = not output.is_file()
            row.to_csv(output, mode="a", header=fresh, index=False, float_format="%.4g", lineterminator="\n")
            print("  ".join(map(str, row.iloc[0])), flush=True)
    return pd.read_csv(output, keep_default_na=False)


def figure(table: pd.DataFrame) -> str:
    """SVG: coverage and width of every cell, by design."""
    import altair as alt

    from augbench.report.svg import to_svg

    shown = table.assign(
        design=[f"{g} x {s}" for g, s in zip(table["generator_seeds"], table["segmenter_seeds"], strict=True)],
        larger=[
            name if factor == 3 else "others"
            for name, factor in zip(table["component"], table["factor"].astype(float), strict=True)
        ],
    )  # fmt: skip
    base = alt.Chart(shown).mark_tick(thickness=1.4, height=11)
    colour = alt.Color("larger:N", title="three times as large", legend=alt.Legend(orient="bottom", columns=4))
    panels = [
        base.encode(
            x=alt.X(f"{name}:Q", title=title, scale=alt.Scale(zero=False)),
            y=alt.Y("design:N", title="generator x segmenter seeds"),
            color=colour,
        ).properties(width=320, height=170)
        for name, title in (("coverage", "coverage of the 95% interval"), ("width", "width over the oracle's"))
    ]
    return to_svg(alt.hconcat(*panels), "verdict")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=Path("verdict-calibration.csv"))
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    table = run(options.output, options.repetitions)
    if options.figure:
        options.figure.write_text(figure(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
