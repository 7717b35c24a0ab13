"""Where studies are: the root of the repository, its folder studies/, and those that the package carries."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import augbench
from augbench.core.errors import UserError
from augbench.core.layout import STUDY
from augbench.core.params import PARAMS_FILE
from augbench.runtime.pipeline import PIPELINE as PIPELINE

STUDIES = Path("studies")
#: Name of the study in the repository's root.
ROOT_STUDY = "."
#: Studies that `augbench repro --set` made.
TRY_PREFIX = "try-"
#: Files of a complete study and pipeline, for those who have no checkout; links to the checkout's own.
TEMPLATES = Path(augbench.__file__).parent / "templates"
#: Not called dvc.yaml: DVC would take it for a pipeline of this repository.
PIPELINE_TEMPLATE = TEMPLATES / "pipeline.yaml"


def repository() -> Path:
    """The nearest folder from the present one upwards that git manages.

    Raises:
        UserError: there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".git").exists():
            return folder
    raise UserError(
        "no git repository",
        got=here,
        expected="a folder in a git repository: studies and their results are versioned with git and DVC",
        remedy="run `git init` first, or go to your checkout",
        file=here,
    )


def is_checkout(root: Path) -> bool:
    """Whether the repository holds augbench's own source, on which the stages of its studies depend file by file."""
    return (root / "src/augbench/core").is_dir() and (root / PIPELINE).is_file()


def local_studies(root: Path) -> dict[str, Path]:
    """Name -> folder of every study of the repository: the root's first, then those of studies/ in order."""
    found = {ROOT_STUDY: root} if (root / PARAMS_FILE).is_file() else {}
    return found | {path.parent.name: path.parent for path in sorted((root / STUDIES).glob(f"*/{PARAMS_FILE}"))}


def carried_studies() -> dict[str, Path]:
    """Name -> folder of the studies inside the package; they hold params.yaml and study.yaml alone."""
    return {path.parent.name: path.parent for path in sorted((TEMPLATES / STUDIES).glob(f"*/{PARAMS_FILE}"))}


def enter(study: Path) -> None:
    """Make a study's folder the present one: every path of a stage starts there.

    Raises:
        UserError: no such folder, or it holds no study; names those that there are.
    """
    if not (study / PARAMS_FILE).is_file():
        known = _near()
        near = [known[name] for name in difflib.get_close_matches(study.name, known, n=1)]
        raise UserError(
            f"no study in '{study}'",
            got=f"no {PARAMS_FILE}" if study.is_dir() else "no such folder",
            expected=", ".join(known.values()) or f"a folder with {PARAMS_FILE} and {STUDY}",
            remedy=f"did you mean '{near[0]}'?" if near else "name one of them, or make one with `augbench new`",
            file=study,
        )
    os.chdir(study)


def _near() -> dict[str, str]:
    """Studies of the present repository by name, with their folders as seen from here."""
    try:
        root = repository()
    except UserError:
        return {}
    return {name: os.path.relpath(folder) for name, folder in local_studies(root).items()}
