"""new: a study in a folder of its own, like another one; and the throw-away studies of `augbench repro --set`."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from augbench.core.artifacts import atomic_folder, parse_yaml, read_bytes, write_bytes, write_text
from augbench.core.component import invalid_parameter
from augbench.core.errors import UserError
from augbench.core.kernels import DEFAULT, kernels_of
from augbench.core.labelling import MANUAL
from augbench.core.layout import STUDY
from augbench.core.params import PARAMS_FILE, Params, parse_params
from augbench.core.study import Study
from augbench.stages.check import check_components
from augbench.stages.installed import VERSION_FILE, version_text
from augbench.stages.places import (
    PIPELINE,
    PIPELINE_TEMPLATE,
    STUDIES,
    TEMPLATES,
    TRY_PREFIX,
    carried_studies,
    is_checkout,
    local_studies,
    repository,
)
from augbench.stages.settings import Setting, apply_settings, parse_settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
#: A dependency on augbench's source; a study without a checkout has the version file in its place.
_SOURCE = "${code}/src/augbench"
_NO_SOURCE = "installed"
_CODE_COMMENT = re.compile(rf"(?m)^code: {_NO_SOURCE}\s*#.*$")
_DIGITS = 8
_RAW = (
    "# Raw data\n\nNever written by a stage. A phantom needs nothing here. For your own images, put the "
    "datasets here or\npoint `raw_data` in params.yaml at their folder.\n"
)
_ANNOTATIONS = (
    "# Annotations of synthetic frames\n\n`augbench export-frames ENTRY SEED` writes the frames of a labelling of kind "
    "manual here, people\nannotate them, and the stage `label` reads the masks back. No stage writes here.\n"
)
_IGNORED = (
    "/.augbench/\n"
    + "".join(
        f"/data/{name}/\n"
        for name in ("cohort", "generators", "synthetic", "models", "pictures", "predictions", "scores", "sheets")
    )
    + "*.tmp\n"
)


class Written(NamedTuple):
    """A new study.

    Attributes:
        folder: where it is.
        notes: what else was done, a sentence each.
    """

    folder: Path
    notes: list[str]


def write_study(name: str, like: str, settings: list[str]) -> Written:
    """Write studies/`name` in the present git repository; nothing that exists is changed.

    Args:
        like: a study of the repository (`.` is the root's) or one that augbench carries.
        settings: `key=value`, of params.yaml.

    Raises:
        UserError: a bad name, an existing folder, an unknown study, or settings that no study can have.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            "invalid study name",
            got=name,
            expected="letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 60",
            remedy=f"name it without its folder: it is written to {STUDIES}/NAME",
            file=STUDIES,
        )
    root = repository()
    base = _study_like(root, like)
    target = root / STUDIES / name
    _require_absent(target)
    made_by = " ".join([f"augbench new {name} --like {like}", *(f"--set {json.dumps(text)}" for text in settings)])
    text = _params_text(root, base, _portable(base, parse_settings(settings)), f"# Made by: {made_by}\n")
    return _write(root, target, base, text)


def write_try(settings: list[str]) -> Written:
    """A study like the present folder's with some values changed, or the same one if it was made before.

    Its name holds a digest of all its parameters: the same settings on the same study find their results again.

    Raises:
        UserError: settings that no study can have, or its params.yaml was edited since.
    """
    root, base = repository(), Path.cwd()
    made_by = " ".join(f"--set {json.dumps(text)}" for text in settings)
    text = _params_text(root, base, parse_settings(settings), f"# Made by: augbench repro {made_by}\n")
    values = parse_yaml(text.encode(), base / PARAMS_FILE)
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:_DIGITS]
    stem = "root" if base == root else base.name.removeprefix(TRY_PREFIX)
    target = root / STUDIES / f"{TRY_PREFIX}{stem}-{digest}"
    if not target.exists():
        return _write(root, target, base, text, annotated=True)
    if parse_yaml(read_bytes(target / PARAMS_FILE), target / PARAMS_FILE) != values:
        raise UserError(
            "the study of these settings was edited",
            got=f"other values in {target.relative_to(root)}",
            expected=f"the values of {made_by}",
            remedy=f"rename the folder to keep your edit, or delete it, then run this again; "
            f"or go on in it: augbench repro --study {os.path.relpath(target)}",
            file=target / PARAMS_FILE,
        )
    return Written(target, ["it was begun before; finished stages are kept"])


def _study_like(root: Path, like: str) -> Path:
    known = carried_studies() | local_studies(root)
    if like not in known:
        near = difflib.get_close_matches(like, known, n=1)
        raise UserError(
            f"no study '{like}'",
            got=like,
            expected=", ".join(known),
            remedy=f"did you mean '{near[0]}'?" if near else "name a study of this repository or one of augbench's own",
            file=STUDIES,
        )
    return known[like]


def _require_absent(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise UserError(
            f"{target.name} exists",
            got=target,
            expected="a new name: nothing is ever overwritten",
            remedy="choose another name, or delete the folder if you do not need it",
            file=target,
        )


def _portable(base: Path, settings: list[Setting]) -> list[Setting]:
    """A new study has no results to remake: it starts with portable kernels, unless the settings say another thing."""
    given = {setting.key for setting in settings} & {"compute", "compute.kernels"}
    if given or kernels_of(base / PARAMS_FILE) == DEFAULT:
        return settings
    return [Setting("compute.kernels", DEFAULT), *settings]


def _params_text(root: Path, base: Path, settings: list[Setting], header: str) -> str:
    """params.yaml of the new study, complete and valid.

    Raises:
        UserError: as `parse_params` and `check_components`.
    """
    text = read_bytes(base / PARAMS_FILE).decode()
    code = "../.." if is_checkout(root) else _NO_SOURCE
    content = parse_yaml(text.encode(), base / PARAMS_FILE)
    text = apply_settings(text, [*settings, Setting("code", code)]) if "code" in content else f"code: {code}\n{text}"
    text = _CODE_COMMENT.sub(f"code: {_NO_SOURCE}  # no checkout: stages depend on the file augbench.version", text)
    if "code" not in content:
        text = apply_settings(text, settings)
    _valid(text)
    return header + text


def _valid(text: str) -> Params:
    params = parse_params(parse_yaml(text.encode(), PARAMS_FILE))
    check_components(params, build=False)
    return params


def _write(root: Path, target: Path, base: Path, text: str, *, annotated: bool = False) -> Written:
    """The folder at once: a study is never there by half.

    Args:
        annotated: whether it reads the annotations of `base`, too; they belong to frames of the same parameters.
    """
    words = read_bytes(base / STUDY)
    try:
        Study(**parse_yaml(words, base / STUDY))
    except ValidationError as error:
        raise invalid_parameter(error, "", list(Study.model_fields), base / STUDY) from error
    notes = [] if is_checkout(root) else _prepare_repository(root)
    with atomic_folder(target) as folder:
        write_text(folder / PARAMS_FILE, text)
        write_bytes(folder / STUDY, words)
        if is_checkout(root):
            own = base / PIPELINE
            # A copy: DVC does not follow links inside a git revision.
            write_bytes(folder / PIPELINE, read_bytes(own if own.is_file() else root / PIPELINE))
        else:
            write_text(folder / PIPELINE, _installed_pipeline(base))
            write_text(folder / VERSION_FILE, version_text())
            write_text(folder / ".gitignore", _IGNORED)
        params = _valid(text)
        _make_input(folder, target, Path(params.raw_data), base / params.raw_data, _RAW)
        for place in {entry.source for entry in params.labelling.values() if entry.kind == MANUAL}:
            _make_input(folder, target, Path(place), base / place if annotated else None, _ANNOTATIONS)
    return Written(target, notes)


def _installed_pipeline(base: Path) -> str:
    """dvc.yaml whose stages depend on the installed version instead of on source files.

    That of `base`, if it was written by the same version (it may have been edited since), else the installed one's.
    """
    same = (base / VERSION_FILE).is_file() and read_bytes(base / VERSION_FILE).decode() == version_text()
    if same or ((base / PIPELINE).is_file() and not (base / VERSION_FILE).is_file()):
        return read_bytes(base / PIPELINE).decode()
    content = parse_yaml(read_bytes(PIPELINE_TEMPLATE), PIPELINE_TEMPLATE)
    for stage in content["stages"].values():
        _replace_source(stage.get("do", stage))
    text = yaml.dump(content, Dumper=_NoAliases, sort_keys=False, width=120, allow_unicode=True)
    if "${code}" in text:
        raise RuntimeError(f"{PIPELINE_TEMPLATE} uses ${{code}} for something else than a dependency")
    return f"# The stages of the study; numbers are in {PARAMS_FILE}. Written by `augbench new`.\n{text}"


class _NoAliases(yaml.SafeDumper):
    """Every stage stands whole."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _replace_source(stage: dict[str, Any]) -> None:
    deps = list(stage.get("deps", []))
    kept = [dep for dep in deps if not str(dep).startswith(_SOURCE)]
    if len(kept) < len(deps):
        stage["deps"] = [str(VERSION_FILE), *kept]


def _make_input(folder: Path, target: Path, place: Path, source: Path | None, text: str) -> None:
    """A folder of the user's that stages depend on: a link where the other study has files in it, else a page.

    Args:
        folder: where the study is being written; it becomes `target`.
        place: relative to it; what lies elsewhere is the user's own.
    """
    if place.parts[:1] != ("data",) or place.parts[1:2] not in {("raw",), ("labels",)}:
        return
    if source is not None and source.is_dir() and any(path.name != "README.md" for path in source.iterdir()):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).symlink_to(os.path.relpath(source, (target / place).parent), target_is_directory=True)
    else:
        write_text(folder / place / "README.md", text)


def _prepare_repository(root: Path) -> list[str]:
    """DVC's own folder and the templates of its plots, where they are missing."""
    notes = []
    if not (root / ".dvc").is_dir():
        from dvc.repo import Repo

        Repo.init(str(root)).close()
        notes.append("this repository now uses DVC: commit .dvc and .dvcignore")
    for template in sorted((TEMPLATES / "plots").glob("*.json")):
        place = root / ".dvc/plots" / template.name
        if not place.exists():
            write_bytes(place, read_bytes(template))
    return notes
