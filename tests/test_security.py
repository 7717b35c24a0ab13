"""Files that a user was sent: nothing in them is run, and no name in them leads out of its folder."""

from __future__ import annotations

import ast
import json
import os
import pickle
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bad_input import EXTERNAL, IMAGE, MASK, ROOT, TRAINING, imported, refused, run, write_params
from figures_factory import comparison_table, per_patient_table, report_data
from nnunet_folder import RV_FIRST, write_description

from augbench.audit.base import AuditTest
from augbench.audit.features.base import FeatureExtractor
from augbench.core.artifacts import load_weights, read_array
from augbench.core.component import Component, available, create
from augbench.core.errors import UserError
from augbench.core.shards import read_shards, write_shards
from augbench.core.types import FRAME_COLUMNS, LabelScheme
from augbench.datasets.base import Dataset
from augbench.generators.base import Generator
from augbench.labelling.base import Labelling
from augbench.regimes.base import Regime
from augbench.report.report import render
from augbench.scores.base import SegmentationScore
from augbench.segmenters.base import Segmenter

FILES = sorted((ROOT / "src").rglob("*.py"))
#: Modules that run code found in data, and functions that do unless told otherwise.
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
NEVER = {
    "read_pickle", "to_pickle", "full_load", "unsafe_load", "load_all", "eval", "exec",
    "unpack_archive", "extractall", "load_from_checkpoint",
}  # fmt: skip
WITH = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False), "numpy.load": ("allow_pickle", False)}


def _calls(path: Path) -> list[tuple[str, str, ast.Call]]:
    """(owner, name, call) of every call: `np.load(...)` is ("np", "load", ...)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            found.append((owner, getattr(node.func, "attr", getattr(node.func, "id", "")), node))
    return found


def _makes_plain_data(call: ast.Call) -> bool:
    """`yaml.load` with PyYAML's safe loader, in Python or C, under no other name."""
    loader = next((ast.unparse(word.value) for word in call.keywords if word.arg == "Loader"), "")
    return loader in ("yaml.SafeLoader", "yaml.CSafeLoader", "getattr(yaml, 'CSafeLoader', yaml.SafeLoader)")


def _problems(path: Path) -> list[str]:
    """What in a source file could run code from data."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [f"imports {name}" for name in names if name.split(".")[0] in UNPICKLERS]
    for owner, name, call in _calls(path):
        given = {word.arg: getattr(word.value, "value", None) for word in call.keywords}
        if f"{owner}.{name}" in ("os.system", "os.popen"):
            found.append(f"line {call.lineno} calls {owner}.{name}")
        if name in NEVER and not (name == "eval" and owner):  # network.eval() is no eval()
            found.append(f"line {call.lineno} calls {name}")
        need = WITH.get(f"{owner}.{name}")
        if need and given.get(need[0]) is not need[1]:
            found.append(f"line {call.lineno}: {owner}.{name} without {need[0]}={need[1]}")
        if (
            (name == "load" and owner == "yaml" and not _makes_plain_data(call))
            or given.get("allow_pickle") is True
            or given.get("shell") is True
        ):
            found.append(f"line {call.lineno}: {ast.unparse(call)[:60]}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_no_source_file_runs_what_it_reads(path: Path) -> None:
    assert _problems(path) == []


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from joblib import load", "torch.load(path)", "torch.load(path, weights_only=False)",
     "np.load(path)", "np.load(path, allow_pickle=True)", "pd.read_pickle(path)", "yaml.load(text, yaml.Loader)",
     "yaml.unsafe_load(text)", "eval(text)", "os.system(text)", "subprocess.run(text, shell=True)",
     "shutil.unpack_archive(path)"],
)  # fmt: skip
def test_the_scan_finds_what_it_is_for(text: str, tmp_path: Path) -> None:
    path = tmp_path / "planted.py"
    path.write_text(text, encoding="utf-8")
    assert _problems(path)


class _Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def _payload(mark: Path) -> bytes:
    content = pickle.dumps(_Payload(mark))
    pickle.loads(content)
    assert mark.is_dir(), "a payload that does nothing would prove nothing"
    mark.rmdir()
    return content


def test_a_pickled_array_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "harm"
    _payload(mark)
    np.save(tmp_path / "a.npy", np.array([_Payload(mark)], dtype=object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(_payload(mark))
    for name in ("a.npy", "b.npy"):
        with pytest.raises(UserError, match=r"array cannot be read"):
            read_array(tmp_path / name)
    assert not mark.exists()


def _shards(folder: Path) -> None:
    table = pd.DataFrame({column: ["x"] for column in FRAME_COLUMNS}).assign(view="sax", spacing_mm=1.0)
    pairs = np.zeros((1, 2, 16, 16), np.uint8)
    write_shards(folder, [pairs], table, LabelScheme(("LV",), {"sax": ("LV",)}))


def test_a_pickled_shard_is_refused_and_not_run(tmp_path: Path) -> None:
    """With and without the checksum, which a sender can write as well as anyone."""
    mark = tmp_path / "harm"
    _shards(tmp_path / "cohort")
    np.save(tmp_path / "cohort/00000.npy", np.array([_Payload(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="damaged"):
        read_shards(tmp_path / "cohort")
    with pytest.raises(UserError, match="array cannot be read"):
        read_shards(tmp_path / "cohort", verify=False)
    assert not mark.exists()


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_weights_that_are_a_pickle_are_refused_and_not_run(kind: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "harm", tmp_path / "network.safetensors"
    if kind == "pickle":
        path.write_bytes(_payload(mark))
    else:
        import torch

        torch.save({"weights": _Payload(mark)}, path)
    (tmp_path / "network.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="weights cannot be read"):
        load_weights(path)
    section = {"encoder": "resnet18", "encoder_weights": str(path)}
    with pytest.raises(UserError, match="encoder weights cannot be used"):
        create(Segmenter, "smp_unet", section).build(2, 32)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["../outside.npy", "/etc/hostname", "sub/00000.npy", ".."])
def test_a_shard_outside_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    _shards(tmp_path / "cohort")
    (tmp_path / "outside.npy").write_bytes((tmp_path / "cohort/00000.npy").read_bytes())
    manifest = json.loads((tmp_path / "cohort/manifest.json").read_text(encoding="utf-8"))
    manifest["shards"][0]["file"] = name
    (tmp_path / "cohort/manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    for verify in (True, False):
        with pytest.raises(UserError, match=r"names a shard outside its folder|is missing or damaged"):
            read_shards(tmp_path / "cohort", verify=verify)


@pytest.mark.parametrize("ending", ["/../../secret.png", "../x.png", "/etc/passwd", ".png/../../x"])
def test_a_file_ending_cannot_lead_elsewhere(ending: str, tmp_path: Path) -> None:
    write_params(tmp_path, imported(tmp_path))
    write_description(tmp_path / TRAINING, RV_FIRST, ending)
    assert "file ending is not supported" in refused(tmp_path, "prepare")


@pytest.mark.parametrize("name", ["../Dataset001_Main", "/etc", "a/b", "..", "."])
def test_a_dataset_name_cannot_lead_elsewhere(name: str, tmp_path: Path) -> None:
    content = imported(tmp_path)
    content["dataset"]["cohorts"]["external"]["dataset"] = name
    write_params(tmp_path, content)
    assert "cohorts.external.dataset' is not valid" in refused(tmp_path, "prepare")


@pytest.mark.parametrize("column", ["case_id", "subject_id"])
@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "a\\b", "..", "a\x1bb"])
def test_a_name_in_cases_csv_cannot_lead_elsewhere(column: str, name: str, tmp_path: Path) -> None:
    write_params(tmp_path, imported(tmp_path))
    table = pd.read_csv(tmp_path / TRAINING / "cases.csv", dtype=str)
    table.loc[0, column] = name
    table.to_csv(tmp_path / TRAINING / "cases.csv", index=False)
    message = refused(tmp_path, "prepare")
    assert f"unusable {column}" in message
    assert "\x1b" not in message


@pytest.mark.parametrize("target", ["/etc/passwd", "/dev/zero", "/proc/self/environ"])
@pytest.mark.parametrize("entry", [IMAGE, MASK], ids=["image", "mask"])
def test_a_link_shows_nothing_of_what_is_no_image(entry: Path, target: str, tmp_path: Path) -> None:
    """Links to images elsewhere are allowed; a link to something else is refused, and its content is not printed."""
    write_params(tmp_path, imported(tmp_path))
    (tmp_path / TRAINING / entry).unlink()
    (tmp_path / TRAINING / entry).symlink_to(target)
    message = refused(tmp_path, "prepare")
    assert "cannot be read" in message or "is no file" in message
    assert "root:" not in message
    assert "PATH=" not in message


FAMILIES = (AuditTest, Dataset, FeatureExtractor, Generator, Labelling, Regime, SegmentationScore, Segmenter)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.family)
@pytest.mark.parametrize("name", ["os.system", "../x", "/etc/passwd", "base", "__init__", "_pair", "pggan.networks"])
def test_a_component_name_imports_nothing_else(family: type[Component], name: str) -> None:
    assert name not in available(family)
    with pytest.raises(UserError, match=f"among {family.family}"):
        create(family, name)


@pytest.mark.parametrize("view", ["../sax", "/etc", "a/b", "<b>", "sax\n", ""])
def test_a_view_cannot_become_a_path_or_markup(view: str, tmp_path: Path) -> None:
    write_params(tmp_path, imported(tmp_path) | {"views": [view]})
    assert "parameter 'views.0' is not valid" in refused(tmp_path, "prepare")


EVIL = "<script>alert('x')</script>"


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers |= {name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")}


def test_text_of_the_user_stays_text_in_the_report() -> None:
    """Through the real templates and charts: every place at once that a name of the user's reaches."""
    evil = f'"></text></svg><img src=x onerror=alert(1)>{EVIL}'
    scores = per_patient_table({"sax": ("LV", "RV")}, subjects=8)
    names = {"arm": {"pggan-synthetic": evil}, "structure": {"LV": evil}}
    data = report_data(per_patient=scores, comparison=comparison_table(scores))
    said = {"title": evil, "question": evil, "modality": evil, "grey_scale": evil, "notes": [evil]}
    data = replace(
        data,
        study=data.study.model_copy(update=said),
        arms=[replace(one, name=names["arm"].get(one.name, one.name), labels=evil) for one in data.arms],
        primary_arm=evil,
        views=("sax", evil),
        comparison=data.comparison.replace(names),
        per_patient=data.per_patient.replace(names).assign(subject_id=evil + data.per_patient["subject_id"]),
        audit=data.audit.replace({"generator": {"pggan": evil}}),
        curves=data.curves.assign(generator=evil, name=evil),
        dose=data.dose.replace(names).assign(generator=evil),
        sheets={evil: next(iter(data.sheets.values()))},
        provenance={**data.provenance, "params": {evil: {"seed": evil}}},
    )
    page = render(data)
    found = _Tags(page)
    assert "alert(" in page, "nothing of it reached the page: the test shows nothing"
    assert "script" not in found.tags
    assert not found.handlers
    assert "<script" not in page


def test_a_script_as_case_and_label_name_passes_the_import_as_text(tmp_path: Path) -> None:
    """Where the names come from: the file's name cannot hold a slash, the label's can."""
    write_params(tmp_path, imported(tmp_path))
    for folder in (TRAINING, EXTERNAL):
        file = tmp_path / folder / "dataset.json"
        content = json.loads(file.read_text(encoding="utf-8"))
        content["labels"] = {EVIL if name == "LV" else name: value for name, value in content["labels"].items()}
        file.write_text(json.dumps(content), encoding="utf-8")
    case = "<img src=x onerror=alert(1)>"
    training = tmp_path / TRAINING
    (training / IMAGE).rename(training / f"imagesTr/{case}_0000.png")
    (training / MASK).rename(training / f"labelsTr/{case}.png")
    table = (training / "cases.csv").read_text(encoding="utf-8")
    (training / "cases.csv").write_text(table.replace("p000_ED,", f"{case},"), encoding="utf-8")
    assert run(tmp_path, "prepare")[0] == 0
    manifest = json.loads((tmp_path / "data/cohort/external/manifest.json").read_text(encoding="utf-8"))
    assert EVIL in manifest["structures"]
