"""`dvc repro`, several independent stages at a time.

DVC runs stages one after another but allows several `dvc repro` in one workspace (its guide says to start them by
hand). Small networks use two cores best as two single-threaded stages, so this starts them as their inputs are done.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import networkx as nx

from augbench.core.errors import UserError
from augbench.core.params import read_params
from augbench.core.provenance import recorded

#: Name of the provenance row that holds the time of a whole run.
WHOLE_RUN = "all stages (wall time)"


def run(targets: list[str], jobs: int) -> None:
    """Bring `targets` (default: everything) up to date with at most `jobs` stages at once.

    Raises:
        UserError: a stage failed; the stages that were running are waited for, no new one is started.
    """
    params = read_params()
    if jobs == 1:
        code = subprocess.call([sys.executable, "-m", "dvc", "repro", *targets])
        if code:
            raise _failed("a stage", code)
        return
    stale = stale_graph(targets)
    if not stale:
        print("Everything is up to date.")
        return
    with recorded(WHOLE_RUN):
        _walk(stale, jobs)
    if "report" in stale:
        from augbench.stages.report import write_page

        # Once more, now that the time of the whole run is known.
        write_page(params)


def stale_graph(targets: list[str]) -> nx.DiGraph[str]:
    """Of the stages needed for `targets`, those that are out of date or depend on one that is."""
    from dvc.repo import Repo

    graph = stage_graph(targets)
    with Repo() as repo:
        changed = set(repo.status()) & set(graph)
    return graph.subgraph(changed.union(*(nx.descendants(graph, stage) for stage in changed))).copy()


def stage_graph(targets: list[str]) -> nx.DiGraph[str]:
    """Stages needed for `targets`, with an edge from each stage to those that depend on it."""
    from dvc.repo import Repo

    with Repo() as repo:
        whole = repo.index.graph
        named = nx.DiGraph()
        named.add_nodes_from(stage.addressing for stage in whole)
        # DVC's edges point from a stage to what it depends on.
        named.add_edges_from((need.addressing, stage.addressing) for stage, need in whole.edges)
        if not targets:
            return named
        wanted = {stage.addressing for target in targets for stage in repo.stage.collect(target)}
    needed = wanted.union(*(nx.ancestors(named, stage) for stage in wanted))
    return named.subgraph(needed).copy()


def _walk(graph: nx.DiGraph[str], jobs: int) -> None:
    left = {stage: graph.in_degree(stage) for stage in graph}
    ready = [stage for stage in nx.lexicographical_topological_sort(graph) if left[stage] == 0]
    running: dict[Future[int], str] = {}
    failed: UserError | None = None
    with ThreadPoolExecutor(jobs) as pool:
        while ready or running:
            while ready and len(running) < jobs and failed is None:
                stage = ready.pop(0)
                running[pool.submit(_repro_one, stage)] = stage
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                stage = running.pop(future)
                if code := future.result():
                    failed = _failed(stage, code)
                    continue
                for dependant in graph.successors(stage):
                    left[dependant] -= 1
                    if left[dependant] == 0:
                        ready.append(dependant)
    if failed is not None:
        raise failed


def _repro_one(stage: str) -> int:
    """Run one stage if it is out of date; its inputs are up to date already."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--quiet", "--single-item", stage]
    # Two processes may meet at DVC's short repository lock; without this flag one of them would fail.
    return subprocess.call(command)


def _failed(stage: str, code: int) -> UserError:
    return UserError(
        f"stage {stage} failed",
        got=f"exit code {code}",
        expected="exit code 0",
        remedy="read its message above, correct the cause and run the same command: finished stages are kept",
    )
