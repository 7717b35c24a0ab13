"""Kill the smoke pipeline at random points, again and again: it must end in the bytes of a run that was never killed.

python benchmarks/kill_harness.py --kills 100 --seed 1      (an unkilled run, then a pipeline for every 20 kills)

Columns: seconds lost = time of that stage beyond the unkilled run's, shared among the kills aimed at it; it holds the
second start of the process (importing torch) as well as the work done twice.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from faults.harness import Outcome, Watched, differences, draw_kills, leftovers, run_killed
from workspace import copy_checkout

#: Less than there are stages: a stage that an earlier kill met at its very end does not start again.
KILLS_A_RUN = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        good = _run_all(Path(folder), arguments.kills, arguments.seed)
    print(f"{good} of {arguments.kills}")
    sys.exit(0 if good == arguments.kills else 1)


def _run_all(scratch: Path, count: int, seed: int) -> int:
    """Kills that were carried out in a run that ended in the right bytes."""
    workspace = copy_checkout(_new(scratch / "unkilled"))
    start = time.monotonic()
    unkilled = Watched(workspace, scratch / "watched").attempt("augbench repro --jobs 2", {}, {})
    if unkilled.code:
        raise SystemExit(f"the unkilled run failed:\n{unkilled.output[-4000:]}")
    expected = workspace.locked_stages()
    print(f"unkilled: {time.monotonic() - start:.0f} s, {len(expected)} stages; seed {seed}\n")
    print(f"{'stage':<40}{'signal':<9}{'to':<7}{'moment':<14}{'started with':<25}{'lost s':>7}  outcome")
    kills = draw_kills(list(expected), count, seed)
    good = 0
    for first in range(0, count, KILLS_A_RUN):
        copy = copy_checkout(_new(scratch / f"killed-{first}"))
        start = time.monotonic()
        try:
            outcome = run_killed(
                Watched(copy, scratch / f"watched-{first}"), kills[first : first + KILLS_A_RUN], unkilled.spent
            )
        except AssertionError as error:
            print(f"run of kills {first + 1} to {first + KILLS_A_RUN} failed: {error}")
            continue
        wrong = differences(expected, copy.locked_stages()) + [
            f"left behind: {name}" for name in leftovers(copy.folder)
        ]
        _print(outcome, unkilled.spent, "differs" if wrong else "same bytes")
        print(*wrong, sep="\n", end="\n" if wrong else "")
        print(
            f"run of {time.monotonic() - start:.0f} s, {len(outcome.hits)} kills, {outcome.refused} restarts of plain "
            f"`dvc repro` refused because of its own half-written file",
            flush=True,
        )
        good += 0 if wrong else len(outcome.hits)
    return good


def _print(outcome: Outcome, unkilled: dict[str, float], result: str) -> None:
    for hit in outcome.hits:
        kill = hit.kill
        print(
            f"{kill.stage:<40}{kill.signal.name:<9}{kill.target:<7}{kill.moment():<14}{hit.command:<25}"
            f"{outcome.lost_seconds(hit, unkilled):>7.1f}  {result}"
        )
    for kill in outcome.missed:
        print(f"{kill.stage:<40}{kill.signal.name:<9}{kill.target:<7}{kill.moment():<14}{'':<25}{'':>7}  too late")


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
