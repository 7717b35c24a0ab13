"""Random damage to params.yaml and dataset.json: it works or is one clear message, never a traceback."""

from __future__ import annotations

import contextlib
import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from bad_input import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nnunet_folder import RV_FIRST

from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import read_params
from augbench.datasets.base import Dataset
from augbench.datasets.nnunet.description import FILE_ENDINGS, read_description
from augbench.stages.check import check_components
from augbench.stages.preflight import estimate

#: The same examples on every run: CI must not fail on a whim.
FIXED = settings(
    max_examples=120, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip

_ODD = st.sampled_from(
    [None, True, False, 0, -1, 1, 10**40, -(10**40), 1e308, math.nan, math.inf, -math.inf, "", "many", "1e400",
     "../x", "os.system", "nan", "\x1b[2J", "<script>", [], {}, [[]], {"": None}, {1: 2}, "x" * 3000]
)  # fmt: skip
_ANY = st.recursive(
    _ODD | st.text(max_size=8) | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def _places(content: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Path of every value in nested dictionaries and lists."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    found = []
    for key, value in items:
        found += [(*above, key), *_places(value, (*above, key))]
    return found


def _edited(content: Any, data: st.DataObject) -> Any:
    """A copy with a few values replaced or deleted, or keys renamed or added."""
    content = copy.deepcopy(content)
    for _ in range(data.draw(st.integers(1, 3))):
        *parents, last = data.draw(st.sampled_from(_places(content) or [("seed",)]))
        holder = content
        for key in parents:
            holder = holder[key]
        change = data.draw(st.sampled_from(["replace", "replace", "delete", "add", "rename"]))
        if change == "delete" and last in (holder if isinstance(holder, dict) else ()):
            del holder[last]
        elif change == "add" and isinstance(holder, dict):
            holder[data.draw(st.text(max_size=6))] = data.draw(_ANY)
        elif change == "rename" and isinstance(holder, dict) and last in holder:
            holder[f"{last}x"] = holder.pop(last)
        else:
            holder[last] = data.draw(_ANY)
    return content


def _accepted_or_refused(path: Path) -> bool:
    """As `augbench check` and the start of `augbench repro` read a file."""
    with contextlib.suppress(UserError):
        params = read_params(path)
        check_components(params, build=False)
        if create(Dataset, params.dataset.kind, params.dataset.options).can_draw:
            estimate(params, {"prepare", "train_generator", "report"})
        return True
    return False


@pytest.mark.parametrize("study", [".", "studies/smoke", "studies/acdc"])
def test_edited_params(study: str, tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / study / "params.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "params.yaml"
    refusals = []

    @settings(FIXED, max_examples=60)
    @given(data=st.data())
    def edits(data: st.DataObject) -> None:
        path.write_text(yaml.safe_dump(_edited(content, data), allow_unicode=True), encoding="utf-8", errors="replace")
        refusals.append(not _accepted_or_refused(path))

    edits()
    assert any(refusals), "no edit did any harm: the edits are too tame to show anything"


_YAML_SIGNS = [
    b"&a ", b"*a", b"&a [*a]", b"<<: *a", b"!!python/name:os.system ", b"!!binary x", b"!!set {", b"!!timestamp x",
    b"!!int x", b"!!omap ", b"---\n", b"...\n", b"%YAML 9.9\n", b"? [a]\n: b\n", b"\t", b"\x00", b"\xff",
    b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"- ", b": ", b"{", b"}", b"[" * 200, b"'", b'"', b"|\n", b">",
    b"2020-99-99", b"0x", b"1_0", b"~",
]  # fmt: skip


def test_damaged_text_of_params(tmp_path: Path) -> None:
    """Bytes cut out, overwritten or put in, with all that means something to YAML."""
    text = (ROOT / "studies/smoke/params.yaml").read_bytes()
    path = tmp_path / "params.yaml"
    insertions = st.sampled_from(_YAML_SIGNS)

    @FIXED
    @given(start=st.integers(0, len(text)), cut=st.integers(0, 30), new=insertions | st.binary(max_size=6))
    def damages(start: int, cut: int, new: bytes) -> None:
        path.write_bytes(text[:start] + new + text[start + cut :])
        _accepted_or_refused(path)

    damages()


DESCRIPTION = {
    "channel_names": {"0": "cineMRI"}, "labels": RV_FIRST, "file_ending": ".png", "numTraining": 6,
    "name": "A dataset", "reference": ["x"],
}  # fmt: skip


def _described(folder: Path) -> bool:
    with contextlib.suppress(UserError):
        found = read_description(folder, {})
        assert found.file_ending in FILE_ENDINGS
        assert all(0 < value <= 255 and name.isprintable() and name for value, name in found.structures.items())
        return True
    return False


def test_edited_dataset_json(tmp_path: Path) -> None:
    outcomes = set()

    @FIXED
    @given(data=st.data())
    def edits(data: st.DataObject) -> None:
        text = json.dumps(_edited(DESCRIPTION, data))
        (tmp_path / "dataset.json").write_text(text, encoding="utf-8")
        outcomes.add(_described(tmp_path))

    edits()
    assert outcomes == {True, False}


@FIXED
@given(labels=st.dictionaries(st.text(max_size=6), _ANY, max_size=4), ending=_ANY)
def test_any_labels(labels: dict[str, Any], ending: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "any_labels"
    folder.mkdir(exist_ok=True)
    content = {"labels": labels, "file_ending": ending}
    (folder / "dataset.json").write_text(json.dumps(content, default=str), encoding="utf-8")
    _described(folder)
    content["file_ending"] = ".png"
    (folder / "dataset.json").write_text(json.dumps(content, default=str), encoding="utf-8")
    _described(folder)


@FIXED
@given(text=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_as_dataset_json(text: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "any_bytes"
    folder.mkdir(exist_ok=True)
    (folder / "dataset.json").write_bytes(text)
    assert not _described(folder)
