"""DVC's graph of the study in the current folder: which stages there are, and which are out of date."""

from __future__ import annotations

from pathlib import Path

import networkx as nx

from augbench.runtime.one_run import in_use


def stage_graph(targets: list[str]) -> nx.DiGraph[str]:
    """Stages needed for `targets` (none: all), with an edge from each stage to those that depend on it."""
    from dvc.repo import Repo
    from dvc.repo.index import Index

    with Repo() as repo:
        # Of this file alone: another study of the repository may be half-written.
        whole = Index.from_file(repo, str(Path.cwd() / "dvc.yaml")).graph
        named = nx.DiGraph()
        named.add_nodes_from(stage.addressing for stage in whole)
        # DVC's edges point from a stage to what it depends on.
        named.add_edges_from((need.addressing, stage.addressing) for stage, need in whole.edges)
        if not targets:
            return named
        wanted = {stage.addressing for target in targets for stage in repo.stage.collect(target)}
    needed = wanted.union(*(nx.ancestors(named, stage) for stage in wanted))
    return named.subgraph(needed).copy()


def changed_stages() -> set[str]:
    """Stages that DVC would run because of their own dependencies, parameters or outputs.

    Raises:
        UserError: a `dvc` command is at work on one of them.
    """
    from dvc.lock import LockError
    from dvc.repo import Repo

    with Repo() as repo:
        try:
            return set(repo.status(targets=["dvc.yaml"]))
        except LockError as error:
            raise in_use(error, ".dvc/tmp/rwlock") from error


def stale_graph(targets: list[str]) -> nx.DiGraph[str]:
    """Of the stages needed for `targets`, those that are out of date or depend on one that is.

    Raises:
        UserError: a `dvc` command is at work on one of them.
    """
    graph = stage_graph(targets)
    changed = changed_stages() & set(graph)
    return graph.subgraph(changed.union(*(nx.descendants(graph, stage) for stage in changed))).copy()
