"""verdict: two sets of scores of the same cases -> the comparison's intervals and verdict, without any pipeline."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from augbench.comparison.pairs import cells, with_overall
from augbench.comparison.rows import Endpoint, Row, Rules, conclude, frame
from augbench.comparison.unit import require_per_patient
from augbench.core.artifacts import write_text
from augbench.core.errors import UserError
from augbench.core.tables import COMPARISON_COLUMNS
from augbench.report.verdict_text import lines
from augbench.runtime.cases import checked, read_cases

#: Names of the two sides, however their files are called; with them, the score's.
A, B, SCORE = "A", "B", "score"


@dataclass(frozen=True)
class Verdict:
    """A against B.

    Attributes:
        table: `core.tables.COMPARISON_COLUMNS`, a row a structure and, last, the mean of all: the primary endpoint.
        detectable: smallest true mean difference that such a study would find in four cases of five; NaN without
            an interval.
        sentences: what the last row says, in plain English.
    """

    table: pd.DataFrame
    detectable: float
    sentences: tuple[str, ...]

    @property
    def word(self) -> str:
        """`equivalent`, `better`, `worse`, `inconclusive` or `significant but negligible`: of A."""
        return str(self.table["verdict"].iloc[-1])

    def document(self) -> dict[str, Any]:
        """Everything as JSON; undefined is null."""
        rows = json.loads(self.table.drop(columns=["arm", "reference_arm", "metric", "view"]).to_json(orient="records"))
        detectable = None if pd.isna(self.detectable) else self.detectable
        return {"verdict": self.word, "sentences": list(self.sentences), "detectable": detectable, "rows": rows}


def verdict(
    a: pd.DataFrame | Path | str,
    b: pd.DataFrame | Path | str,
    *,
    margin: float | None = None,
    lower_is_better: bool = False,
    alpha: float = 0.05,
    metric: str = "Dice",
) -> Verdict:
    """Compare A with B over the same cases.

    Args:
        a, b: files or folders (`runtime.cases.read_cases`), or tables with columns case, score and, if any, structure,
            generator_seed, segmenter_seed. A segmenter seed that both sides have began both trainings.
        margin: largest difference of no importance, in the score's unit, fixed in advance; without it nothing is
            equivalent.
        metric: of nnU-Net's summary.json.

    Raises:
        UserError: the sides have not the same cases and structures, or a table is not of the form.
    """
    sides = {A: _table(a, metric), B: _table(b, metric)}
    _require_same_cases(sides)
    rules = Rules({SCORE: not lower_is_better}, {} if margin is None else {SCORE: margin}, alpha, Endpoint(SCORE, A))
    scores = require_per_patient(pd.concat([_per_patient(table, side) for side, table in sides.items()]))
    places = cells(scores, sorted(scores["subject_id"].unique()))
    pairs = with_overall({place: cell.pair(A, B) for place, cell in places.items()})
    names = ({"view": view, "structure": structure, "metric": SCORE, "arm": A} for view, structure in pairs)
    rows = [
        Row.measured(name | {"reference_arm": B}, pair, rules) for name, pair in zip(names, pairs.values(), strict=True)
    ]
    conclude(rows, rules)
    estimate = rows[-1].estimate
    detectable = float("nan")
    if estimate is not None:
        precision = estimate.precision()
        detectable = float(precision.reach(alpha / 2) + precision.reach(0.2))
    runs = {side: len(table[["generator_seed", "segmenter_seed"]].drop_duplicates()) for side, table in sides.items()}
    said = lines(rows[-1].cells, detectable=detectable, margin=margin, lower_is_better=lower_is_better, runs=runs)
    return Verdict(frame(rows, COMPARISON_COLUMNS), detectable, tuple(said))


def run(a: Path, b: Path, *, as_json: bool, html: Path | None = None, **options: Any) -> None:
    """Print the verdict: a row a structure, then the sentences; or JSON. With `html` also write a page."""
    found = verdict(a, b, **options)
    if html is not None:
        from augbench.report.verdict_page import Sides, page

        names = _names(a, b)
        of_nnunet = options["metric"] if a.suffix == ".json" or a.is_dir() else SCORE
        sides = Sides(*names, of_nnunet, options["margin"], options["lower_is_better"])
        write_text(html, page(found.table, found.sentences, sides))
    if as_json:
        print(json.dumps(found.document(), indent=2, allow_nan=False))
        return
    from rich.console import Console

    from augbench.report.verdict_text import print_verdict

    print_verdict(found.table, found.sentences, Console())
    if html is not None:
        print(f"\nwrote {html}")


def _names(a: Path, b: Path) -> tuple[str, str]:
    """File names without their ending; where they are the same, as of two summaries, with their folder."""
    return (a.stem, b.stem) if a.stem != b.stem else (f"{a.parent.name}/{a.stem}", f"{b.parent.name}/{b.stem}")


def _table(given: pd.DataFrame | Path | str, metric: str) -> pd.DataFrame:
    return checked(given, "a table") if isinstance(given, pd.DataFrame) else read_cases(Path(given), metric)


def _require_same_cases(sides: dict[str, pd.DataFrame]) -> None:
    ours, theirs = ({*table[["case", "structure"]].itertuples(index=False, name=None)} for table in sides.values())
    for side, absent in ((B, ours - theirs), (A, theirs - ours)):
        if absent:
            case, structure = min(absent)
            raise UserError(
                f"{side} has no score of case '{case}', structure '{structure}'",
                got=f"{len(absent)} such scores are missing in {side}",
                expected="the same cases and structures on both sides: what is missing may be what failed",
                remedy="score it; where a score is undefined, keep the row and leave the score empty",
            )


def _per_patient(table: pd.DataFrame, side: str) -> pd.DataFrame:
    undefined = table["score"].isna().astype(int)
    named = table.rename(columns={"case": "subject_id", "score": "value"})
    return named.assign(view="", metric=SCORE, arm=side, site="", n_frames=1, n_undefined=undefined)
