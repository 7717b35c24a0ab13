"""dvc.yaml: an edit makes exactly its own dependants stale, and no stage sees what it must not see."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import networkx as nx
import pytest
from dvc.repo import Repo
from dvc.stage import PipelineStage

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def stages() -> dict[str, PipelineStage]:
    """Stages of dvc.yaml with the default params.yaml, by name."""
    with Repo(str(ROOT)) as repo:
        return {stage.addressing: stage for stage in repo.index.stages if Path(stage.path).parent == ROOT}


@pytest.fixture(scope="module")
def graph() -> nx.DiGraph:
    """An edge from each stage to those that depend on it."""
    from augbench.runtime.graph import stage_graph

    return stage_graph([])


def _deps(stage: PipelineStage) -> set[str]:
    return {Path(dep.fs_path).relative_to(ROOT).as_posix() for dep in stage.deps if hasattr(dep, "fs_path")}


def _stale(edited: str, stages: dict[str, PipelineStage], graph: nx.DiGraph) -> set[str]:
    """Stages that an edit of a file makes stale, with all that depend on them."""
    direct = {
        name
        for name, stage in stages.items()
        if any(edited == dep or edited.startswith(f"{dep}/") for dep in _deps(stage) if dep.startswith("src/"))
    }
    return direct.union(*(nx.descendants(graph, name) for name in direct))


GENERATORS = ("pggan", "pggan-equal", "oracle", "memoriser")
ARMS = {
    "pggan": ("pggan-synthetic", "pggan-mixed-1", "pggan-mixed-8"),
    "pggan-equal": ("pggan-equal-synthetic",),
    "oracle": ("oracle",),
    "memoriser": ("memoriser",),
}


def _trained(*generators: str) -> set[str]:
    return {f"train_segmenter_generated@{arm}" for name in generators for arm in ARMS[name]}


def _all(family: str, *names: str) -> set[str]:
    return {f"{family}@{name}" for name in names or GENERATORS}


END = {"develop@internal", "develop@development", "evaluate", "compare", "report"}
REAL = {"train_segmenter@real"}
#: Generators of one kind share its code; each entry is a stage of its own.
PGGANS = ("pggan", "pggan-equal")


def _generator(*names: str) -> set[str]:
    """Everything behind these generators."""
    return _all("train_generator", *names) | _all("sample", *names) | _all("audit", *names) | _trained(*names) | END


MIXED = {f"train_segmenter_generated@pggan-mixed-{dose}" for dose in (1, 8)}
EVERY_SAMPLE = _all("sample") | _all("audit") | _trained(*GENERATORS) | END
EDITS = {
    "src/augbench/generators/pggan/networks.py": _generator(*PGGANS),
    "src/augbench/generators/oracle/__init__.py": _generator("oracle"),
    "src/augbench/generators/memoriser/__init__.py": _generator("memoriser"),
    "src/augbench/labelling/base.py": set(),
    "src/augbench/labelling/teacher.py": set(),
    "src/augbench/stages/label.py": set(),
    "src/augbench/stages/sample.py": EVERY_SAMPLE,
    "src/augbench/regimes/real.py": REAL | _all("audit") | END,
    "src/augbench/regimes/synthetic.py": (_trained(*GENERATORS) - MIXED) | END,
    "src/augbench/regimes/mixed.py": MIXED | END,
    "src/augbench/regimes/pretrain.py": set(),
    "src/augbench/segmenters/light_unet.py": REAL | _trained(*GENERATORS) | _all("audit") | END,
    # Whatever network an arm has, scoring and the audit's features may use it; no training of another kind does.
    "src/augbench/segmenters/monai_unet.py": _all("audit") | END,
    "src/augbench/datasets/nnunet/__init__.py": set(),
    "src/augbench/audit/features/pixels.py": _all("audit") | {"report"},
    "src/augbench/comparison/verdict.py": {"compare", "report"},
    "src/augbench/report/report.py": {"report"},
    "src/augbench/stages/evaluate.py": {"evaluate", "compare", "report"},
    "src/augbench/runtime/progress.py": set(),
    "src/augbench/cli/stages.py": set(),
}


@pytest.mark.parametrize("edited", sorted(EDITS))
def test_an_edit_makes_exactly_its_dependants_stale(
    edited: str, stages: dict[str, PipelineStage], graph: nx.DiGraph
) -> None:
    assert (ROOT / edited).is_file()
    assert _stale(edited, stages, graph) == EDITS[edited]


def test_an_edit_of_the_phantom_makes_the_oracle_stale(stages: dict[str, PipelineStage], graph: nx.DiGraph) -> None:
    """Not through the cohorts alone: what draws fresh patients may change while the cohorts stay the same bytes."""
    direct = {name for name, stage in stages.items() if "src/augbench/datasets/tof_phantom" in _deps(stage)}
    assert {"train_generator@oracle", "sample@oracle"} <= direct


@pytest.mark.parametrize("shared", ["core/types.py"])
def test_an_edit_of_shared_code_makes_everything_stale(
    shared: str, stages: dict[str, PipelineStage], graph: nx.DiGraph
) -> None:
    assert _stale(f"src/augbench/{shared}", stages, graph) == set(stages)


def test_real_training_depends_on_no_generator(graph: nx.DiGraph) -> None:
    for stage in REAL:
        assert nx.ancestors(graph, stage) == {"prepare"}


LABELLING = """labelling:
  taught: {images: data/synthetic/pggan, kind: teacher, source: data/models/real-all}
  people: {images: data/synthetic/pggan, kind: manual, source: data/drawn}
  themselves: {images: data/cohort/generator, kind: pseudo, source: data/models/real}
"""


def test_an_entry_of_labelling_adds_a_stage_and_changes_no_other(
    graph: nx.DiGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not {name for name in graph if name.startswith("label@")}
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    real_all = "    real-all: {role: opponent, cohort: generator, regime: {kind: real}, segmenter: *unet, seeds: [0]}\n"
    text = re.sub(r"labelling: \{\}.*\n", LABELLING, text).replace("  generated:\n", f"{real_all}  generated:\n")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    from augbench.runtime.graph import stage_graph

    more = stage_graph([])
    labels = {"label@taught", "label@people", "label@themselves"}
    assert set(more) - set(graph) == labels | {"train_segmenter@real-all"}
    before = {name: set(more.predecessors(name)) for name in labels}
    assert before["label@taught"] == {"sample@pggan", "train_segmenter@real-all"}
    assert before["label@people"] == {"sample@pggan"}
    assert before["label@themselves"] == {"prepare", "train_segmenter@real"}
    added = {
        edge for edge in set(more.edges) - set(graph.edges) if not set(edge) & (labels | {"train_segmenter@real-all"})
    }
    assert not added
    with Repo(str(tmp_path)) as repo:
        stages = {stage.addressing: stage for stage in repo.index.stages}
        kinds = {
            name: {Path(dep.fs_path).name for dep in stages[name].deps if "labelling" in str(dep)} for name in labels
        }
    assert kinds["label@taught"] == {"base.py", "_network.py", "teacher.py"}
    assert kinds["label@themselves"] == {"base.py", "_network.py", "pseudo.py"}


def test_the_external_set_is_built_by_one_stage_and_read_by_one(stages: dict[str, PipelineStage]) -> None:
    external = Path("data/cohort/external")

    def holds(path: str) -> bool:
        return external.is_relative_to(path)

    made = [name for name, stage in stages.items() if any(holds(out.def_path) for out in stage.outs)]
    read = [name for name, stage in stages.items() if any(holds(dep) for dep in _deps(stage))]
    assert (made, read) == (["prepare"], ["evaluate"])


def test_nothing_that_learns_or_chooses_comes_after_the_external_scores(graph: nx.DiGraph) -> None:
    assert nx.descendants(graph, "evaluate") == {"compare", "report"}
    assert not {name for name in nx.ancestors(graph, "develop@development") if name.startswith("evaluate")}


def test_every_report_is_kept_in_git_and_everything_large_is_not(stages: dict[str, PipelineStage]) -> None:
    for name, stage in stages.items():
        for out in stage.outs:
            assert out.use_cache == (not out.def_path.startswith("reports/")), (name, out.def_path)
