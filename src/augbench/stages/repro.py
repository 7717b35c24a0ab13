"""`dvc repro`, several independent stages at a time.

DVC runs stages one after another but allows several `dvc repro` in one workspace (its guide says to start them by
hand). Small networks use two cores best as two single-threaded stages, so this starts them as their inputs are done.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from importlib.util import find_spec

import networkx as nx

from augbench.core.arms import arm_named
from augbench.core.errors import UserError
from augbench.core.params import Params, read_params
from augbench.core.synthetic import synthetic_set
from augbench.runtime import interrupt
from augbench.runtime.graph import stale_graph
from augbench.runtime.leftovers import keep_lock, remove_temporaries, repair_dvc
from augbench.runtime.one_run import dvc_at_rest, only_run
from augbench.runtime.provenance import recorded
from augbench.runtime.running import STARTED_BY, running_stages
from augbench.stages.check import check_components
from augbench.stages.clean import remove_finished
from augbench.stages.preflight import require_room

#: Name of the provenance row that holds the time of a whole run.
WHOLE_RUN = "all stages (wall time)"
_POLL_SECONDS = 0.5


def run(targets: list[str], jobs: int) -> None:
    """Bring `targets` (default: everything) up to date with at most `jobs` stages at once.

    Raises:
        UserError: a stage failed; the stages that were running are waited for, no new one is started. Or another run
            is at work in this workspace.
    """
    params = read_params()
    check_components(params, build=False)  # DVC would stop at a misspelt name with a message of its own
    _require_tools()
    from dvc.exceptions import DvcException

    try:
        with only_run():
            with dvc_at_rest():
                remove_temporaries()
                repair_dvc()
                keep_lock()
            _bring_up_to_date(params, targets, jobs)
    except DvcException as error:
        raise UserError(
            "DVC cannot read this workspace",
            got=error,
            expected="a project with dvc.yaml, in which the named stages exist",
            remedy="run from the study's folder, and see `dvc status` and `dvc stage list`",
            file="dvc.yaml",
        ) from error


def _bring_up_to_date(params: Params, targets: list[str], jobs: int) -> None:
    # This process is asked to stop: it passes the request on to its stages, waits for them and leaves with their code.
    interrupt.defer(True)
    interrupt.install()
    stale = stale_graph(targets)
    if not stale:
        print("Everything is up to date.")
        return
    check_components(params)
    print(f"{len(stale)} stages to run; {require_room(params, stale, jobs)}", flush=True)
    if jobs == 1:
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(_dvc, "repro", *targets)
            while not _finished([job]):
                pass
        _leave_if_asked()
        if code := job.result():
            raise _failed("a stage", code)
        remove_finished(params)
        return
    with recorded(WHOLE_RUN):
        _Walk(stale, jobs, params).run()
    remove_finished(params)
    if "report" in stale:
        from augbench.stages.report import write_page

        # Once more, now that the time of the whole run is known.
        write_page(params)


def _require_tools() -> None:
    """DVC runs every stage as the command `augbench`, so both must be there before the first one starts.

    Raises:
        UserError: names the missing one.
    """
    missing = "the Python package dvc" if find_spec("dvc") is None else ""
    if shutil.which("augbench") is None:
        missing = "the command augbench"
    if missing:
        raise UserError(
            f"{missing} cannot be found",
            got=f"PATH={os.environ.get('PATH', '')}",
            expected="dvc installed, and augbench on PATH: dvc.yaml calls it for every stage",
            remedy="activate the environment (`source .venv/bin/activate`), or use `make repro`",
            file="dvc.yaml",
        )


class _Walk:
    """The stages of a graph, at most `jobs` at a time; a process that would be idle helps with a stage of many parts.

    A stage makes its parts one after another, from the first on; a helper makes one from the end of the list. The two
    meet at the part's lock, and what one of them finished the other keeps (`runtime.parts`).
    """

    def __init__(self, graph: nx.DiGraph[str], jobs: int, params: Params) -> None:
        self._graph, self._jobs, self._params = graph, jobs, params
        self._left = {stage: graph.in_degree(stage) for stage in graph}
        self._ready = [stage for stage in nx.lexicographical_topological_sort(graph) if self._left[stage] == 0]
        self._stages: dict[Future[int], str] = {}
        self._helpers: set[Future[int]] = set()
        self._helped: set[str] = set()

    def run(self) -> None:
        """Raises UserError if a stage fails; those that run are waited for, no other is started."""
        failed: UserError | None = None
        with ThreadPoolExecutor(self._jobs) as pool:
            while True:
                if failed is None and not interrupt.requested():
                    self._start(pool)
                if not self._stages:
                    break
                done = _finished([*self._stages, *self._helpers])
                # A part that a helper could not make is tried by its stage, which then says what is wrong.
                self._helpers -= done
                for future in done & set(self._stages):
                    stage = self._stages.pop(future)
                    if code := future.result():
                        failed = _failed(stage, code)
                    else:
                        self._free_dependants(stage)
        _leave_if_asked()
        if failed is not None:
            raise failed

    def _start(self, pool: ThreadPoolExecutor) -> None:
        while len(self._stages) + len(self._helpers) < self._jobs:
            if self._ready:
                stage = self._ready.pop(0)
                self._stages[pool.submit(_repro_one, stage)] = stage
            elif part := self._part_to_help_with():
                self._helped.add(part)
                self._helpers.add(pool.submit(_make_part, part))
            else:
                return

    def _free_dependants(self, stage: str) -> None:
        for dependant in self._graph.successors(stage):
            self._left[dependant] -= 1
            if self._left[dependant] == 0:
                self._ready.append(dependant)

    def _part_to_help_with(self) -> str | None:
        """The last part that a running stage has not come to; its first part it makes itself."""
        busy = {name for name, _, _ in running_stages()}
        for stage in self._stages.values():
            parts = [f"{stage}+{part}" for part in parts_of(self._params, stage)]
            begun = max((at for at, part in enumerate(parts) if part in busy - self._helped), default=0)
            for part in reversed(parts[begun + 1 :]):
                if part not in self._helped:
                    return part
        return None


def parts_of(params: Params, stage: str) -> list[str]:
    """Names of the parts of a stage, in the order in which it makes them; none for a stage without parts."""
    family, _, name = stage.partition("@")
    if family in ("train_generator", "sample"):
        return [str(seed) for seed in params.generators[name].seeds]
    if family == "label":
        return [str(seed) for seed in synthetic_set(params, name).seeds]
    if family in ("train_segmenter", "train_segmenter_generated"):
        return [run.name for run in arm_named(params, name).runs]
    return []


def _make_part(part: str) -> int:
    """One part of a stage in a process of its own."""
    stage, _, name = part.partition("+")
    family, _, entry = stage.partition("@")
    command = "train-segmenter" if family.startswith("train_segmenter") else family.replace("_", "-")
    option = "--run" if command == "train-segmenter" else "--seed"
    launch = [sys.executable, "-c", "from augbench.cli import main; main()", command, entry, option, name]
    return subprocess.call(launch, env=os.environ | {STARTED_BY: str(os.getpid())}, stdout=subprocess.DEVNULL)


def _repro_one(stage: str) -> int:
    """Run one stage if it is out of date; its inputs are up to date already."""
    # Two processes may meet at DVC's short repository lock; without this flag one of them would fail.
    code = _dvc("--wait-for-lock", "repro", "--single-item", stage, news=False)
    if code == 0:
        keep_lock()
    return code


def _dvc(*arguments: str, news: bool = True) -> int:
    """DVC, deaf to the signals that stop stages: it has to outlive its stage, to note the end and to free its locks."""
    launch = (
        "import signal, sys\n"
        f"for number in {[int(number) for number in interrupt.SIGNALS]}:\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        # The name that DVC writes into its lock.
        "sys.argv[0] = 'dvc'\n"
        "from dvc.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    environment = os.environ | {STARTED_BY: str(os.getpid())}
    # `--quiet` would hide DVC's errors with its news, such as a file that another command is using.
    output = None if news else subprocess.DEVNULL
    return subprocess.call([sys.executable, "-c", launch, *arguments], env=environment, stdout=output)


def _finished(jobs: Iterable[Future[int]]) -> set[Future[int]]:
    """Those of `jobs` that are done, after a short wait; a request to stop is passed on to every running stage."""
    done, _ = wait(jobs, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
    if interrupt.requested():
        for _, process, started_by in running_stages():
            if started_by == str(os.getpid()):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGTERM)
    return done


def _leave_if_asked() -> None:
    if interrupt.requested():
        print("augbench: stopped; run the same command to go on", file=sys.stderr, flush=True)
        interrupt.leave()


def _failed(stage: str, code: int) -> UserError:
    return UserError(
        f"stage {stage} failed",
        got=f"exit code {code}",
        expected="exit code 0",
        remedy="read its message above, correct the cause and run the same command: finished stages are kept",
    )
