"""dag: the stages of a study as a tree, by family, or as a Mermaid diagram; `dvc dag` is thousands of columns wide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx

from augbench.core.artifacts import parse_yaml, read_bytes
from augbench.core.errors import UserError
from augbench.core.params import read_params
from augbench.runtime.graph import stage_graph
from augbench.stages.places import PIPELINE

#: Entries named in one box of the diagram.
_NAMED = 8


def run(*, mermaid: bool) -> None:
    """Print the graph of the study in the present folder.

    Raises:
        UserError: its params.yaml is no good, or there is no dvc.yaml.
    """
    read_params()
    descriptions = _descriptions(parse_yaml(read_bytes(PIPELINE), PIPELINE))
    graph = _graph()
    if mermaid:
        print(diagram(graph))
        return
    from rich.console import Console

    Console().print(tree(graph, descriptions, Path.cwd().name))


def _graph() -> nx.DiGraph[str]:
    from dvc.exceptions import DvcException

    try:
        return stage_graph([])
    except DvcException as error:
        raise UserError(
            "DVC cannot read this repository",
            got=str(error).splitlines()[0],
            expected="a repository with DVC, and a sound dvc.yaml in each study",
            remedy="see `dvc status`; `dvc init` makes a repository one with DVC",
            file=PIPELINE,
        ) from error


def families(graph: nx.DiGraph[str]) -> nx.DiGraph[str]:
    """The graph of stage families: `sample@pggan` and `sample@oracle` are both `sample`."""
    found: nx.DiGraph[str] = nx.DiGraph()
    found.add_nodes_from(_family(stage) for stage in graph)
    found.add_edges_from((_family(one), _family(other)) for one, other in graph.edges)
    return found


def diagram(graph: nx.DiGraph[str]) -> str:
    """Mermaid text: a box a family with the names of its entries, arrows that no other path already shows."""
    whole = families(graph)
    lines = ["flowchart LR"]
    for family in nx.lexicographical_topological_sort(whole):
        entries = _entries(graph, family)
        shown = entries[:_NAMED] + ([f"{len(entries) - _NAMED} more"] if len(entries) > _NAMED else [])
        label = "<br/>".join([f"<b>{_words(family)}</b>", *shown])
        lines.append(f'    {family}["{label}"]')
    # A reduction keeps which family waits for which, and drops what follows from the rest.
    lines += [f"    {one} --> {other}" for one, other in sorted(nx.transitive_reduction(whole).edges)]
    return "\n".join(lines)


def tree(graph: nx.DiGraph[str], descriptions: dict[str, str], title: str) -> Any:
    """A rich tree: families in the order in which they run, their entries with the stages that they wait for."""
    from rich.markup import escape
    from rich.tree import Tree

    root = Tree(f"[bold]{escape(title)}[/bold], {len(graph)} stages")
    for family in nx.lexicographical_topological_sort(families(graph)):
        node = root.add(f"[bold]{family}[/bold]  [dim]{escape(descriptions.get(family, ''))}[/dim]")
        if family in graph:
            if before := _before(graph, family):
                node.add(f"[dim]after {escape(before)}[/dim]")
            continue
        for entry in _entries(graph, family):
            before = _before(graph, f"{family}@{entry}")
            node.add(escape(entry) + (f"  [dim]after {escape(before)}[/dim]" if before else ""))
    return root


def _family(stage: str) -> str:
    return stage.rpartition(":")[2].partition("@")[0]


def _words(family: str) -> str:
    return family.replace("_", " ")


def _entries(graph: nx.DiGraph[str], family: str) -> list[str]:
    """In the order of params.yaml, as DVC has them."""
    return [stage.partition("@")[2] for stage in graph if _family(stage) == family and "@" in stage]


def _before(graph: nx.DiGraph[str], stage: str) -> str:
    """What a stage waits for; a family of which it needs all is named once."""
    needed: dict[str, list[str]] = {}
    for before in graph.predecessors(stage):
        needed.setdefault(_family(before), []).append(before)
    parts = []
    for family in sorted(needed):
        stages = needed[family]
        everything = len(stages) > 1 and len(stages) == len(_entries(graph, family))
        parts += [f"all of {family}"] if everything else sorted(stages)
    return ", ".join(parts)


def _descriptions(pipeline: dict[str, Any]) -> dict[str, str]:
    """Family -> its `desc`."""
    return {
        name: str(stage.get("desc", stage.get("do", {}).get("desc", ""))).strip()
        for name, stage in pipeline.get("stages", {}).items()
    }
