"""dvc.yaml: an edit makes exactly its own dependants stale, and no stage sees what it must not see."""

from __future__ import annotations

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
        return {stage.addressing: stage for stage in repo.index.stages}


@pytest.fixture(scope="module")
def graph() -> nx.DiGraph:
    """An edge from each stage to those that depend on it."""
    from augbench.stages.repro import stage_graph

    return stage_graph([])


def _deps(stage: PipelineStage) -> set[str]:
    return {Path(dep.fs_path).relative_to(ROOT).as_posix() for dep in stage.deps if hasattr(dep, "fs_path")}


def _stale(edited: str, stages: dict[str, PipelineStage], graph: nx.DiGraph) -> set[str]:
    """Families (`train_segmenter_synthetic@pggan`) of the stages that an edit of a file makes stale."""
    direct = {
        name
        for name, stage in stages.items()
        if any(edited == dep or edited.startswith(f"{dep}/") for dep in _deps(stage) if dep.startswith("src/"))
    }
    everything = direct.union(*(nx.descendants(graph, name) for name in direct))
    return {name.split("-")[0] if "@" in name and not name.endswith("@0") else name for name in everything}


END = {"develop", "evaluate", "compare", "report"}
REAL = {"train_segmenter_real@0", "train_segmenter_real@1", "train_segmenter_real@2"}
PGGAN = {"train_segmenter_synthetic@pggan", "train_segmenter_mixed@pggan"}
CONTROLS = {"train_segmenter_control@memoriser", "train_segmenter_control@oracle"}
AUDITS = {"audit@pggan", "audit@oracle", "audit@memoriser"}
SAMPLES = {"sample@pggan", "sample@oracle", "sample@memoriser"}
EDITS = {
    "src/augbench/generators/pggan/networks.py": {"train_generator@pggan", "sample@pggan", "audit@pggan"} | PGGAN | END,
    "src/augbench/generators/oracle/__init__.py": {
        "train_generator@oracle", "sample@oracle", "audit@oracle", "train_segmenter_control@oracle",
    } | END,
    "src/augbench/generators/memoriser/__init__.py": {
        "train_generator@memoriser", "sample@memoriser", "audit@memoriser", "train_segmenter_control@memoriser",
    } | END,
    "src/augbench/labelling/joint.py": SAMPLES | AUDITS | PGGAN | CONTROLS | END,
    "src/augbench/labelling/pseudo.py": set(),
    "src/augbench/labelling/manual.py": set(),
    "src/augbench/stages/labels.py": SAMPLES | AUDITS | PGGAN | CONTROLS | END,
    "src/augbench/regimes/real.py": REAL | AUDITS | END,
    "src/augbench/regimes/synthetic.py": {"train_segmenter_synthetic@pggan"} | CONTROLS | END,
    "src/augbench/regimes/mixed.py": {"train_segmenter_mixed@pggan"} | END,
    "src/augbench/segmenters/monai_unet.py": REAL | PGGAN | CONTROLS | AUDITS | END,
    "src/augbench/segmenters/smp_unet.py": set(),
    "src/augbench/datasets/nnunet/__init__.py": set(),
    "src/augbench/features/pixels.py": AUDITS | {"report"},
    "src/augbench/comparison/tost.py": {"compare", "report"},
    "src/augbench/figures/report.py": {"report"},
    "src/augbench/stages/evaluate.py": END,
}  # fmt: skip


@pytest.mark.parametrize("edited", sorted(EDITS))
def test_an_edit_makes_exactly_its_dependants_stale(
    edited: str, stages: dict[str, PipelineStage], graph: nx.DiGraph
) -> None:
    assert (ROOT / edited).is_file()
    assert _stale(edited, stages, graph) == EDITS[edited]


@pytest.mark.parametrize("shared", ["core/types.py"])
def test_an_edit_of_shared_code_makes_everything_stale(
    shared: str, stages: dict[str, PipelineStage], graph: nx.DiGraph
) -> None:
    everything = {name.split("-")[0] if "@" in name and not name.endswith("@0") else name for name in stages}
    assert _stale(f"src/augbench/{shared}", stages, graph) == everything


def test_real_training_depends_on_no_generator(graph: nx.DiGraph) -> None:
    for stage in REAL:
        assert nx.ancestors(graph, stage) == {"prepare"}


def test_sampling_depends_on_no_network_unless_one_labels(
    stages: dict[str, PipelineStage], graph: nx.DiGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = {name for name in graph if name.startswith("sample@")}
    assert not REAL & set().union(*(nx.ancestors(graph, name) for name in samples))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("labelling: joint", "labelling: pseudo").replace(": data/labels", ": data/models/real-0")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    from augbench.stages.repro import stage_graph

    pseudo = stage_graph([])
    assert set(pseudo) == set(graph)
    # One edge a sample, from the network that labels, is all that a change of the source adds.
    assert set(pseudo.edges) - set(graph.edges) == {("train_segmenter_real@0", name) for name in samples}
    assert set(graph.edges) <= set(pseudo.edges)
    for stage in REAL:
        assert nx.ancestors(pseudo, stage) == {"prepare"}
    with Repo(str(tmp_path)) as repo:
        deps = {
            Path(dep.fs_path).relative_to(tmp_path).as_posix()
            for stage in repo.index.stages
            if stage.addressing in samples
            for dep in stage.deps
            if hasattr(dep, "fs_path")
        }
    assert "src/augbench/labelling/pseudo.py" in deps
    assert "src/augbench/labelling/joint.py" not in deps


def test_the_external_set_is_built_by_one_stage_and_read_by_one(stages: dict[str, PipelineStage]) -> None:
    external = "data/cohort/external"
    made = [name for name, stage in stages.items() if any(external == out.def_path for out in stage.outs)]
    read = [name for name, stage in stages.items() if external in _deps(stage)]
    assert (made, read) == (["prepare"], ["evaluate"])


def test_nothing_that_learns_or_chooses_comes_after_the_external_scores(graph: nx.DiGraph) -> None:
    assert nx.descendants(graph, "evaluate") == {"compare", "report"}
    assert "evaluate" not in nx.ancestors(graph, "develop")


def test_every_report_is_kept_in_git_and_everything_large_is_not(stages: dict[str, PipelineStage]) -> None:
    for name, stage in stages.items():
        for out in stage.outs:
            assert out.use_cache == (not out.def_path.startswith("reports/")), (name, out.def_path)
