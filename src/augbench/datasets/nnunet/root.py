"""The folder that holds the datasets, from what stands in params.yaml."""

from __future__ import annotations

import os
import re
from pathlib import Path

from augbench.core.errors import UserError

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


def resolve_root(text: str) -> Path:
    """Expand `${NAME}`, `${NAME:-default}` (as a shell does) and `~`; a relative path starts at the working folder.

    Raises:
        UserError: a variable is not set and has no default.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match["name"]) or match["default"]
        if found is None:
            raise UserError(
                f"environment variable {match['name']} is not set",
                got=text,
                expected="the folder that holds the datasets",
                remedy=f"export {match['name']}=FOLDER, or write ${{{match['name']}:-FOLDER}}",
                file="params.yaml",
            )
        return found

    try:
        folder = Path(_VARIABLE.sub(value, text)).expanduser()
        folder.is_dir()  # a name that the system cannot even look up
    except (RuntimeError, ValueError, OSError) as error:
        raise UserError(
            "datasets.nnunet.root cannot be a folder",
            got=f"{text} ({error})",
            expected="the folder that holds the datasets",
            remedy="correct datasets.nnunet.root",
            file="params.yaml",
        ) from error
    return folder


def why_absent(path: Path) -> str:
    """`no such file or folder`, or what hides it: a link that leads nowhere or round in a circle, no permission."""
    try:
        path.stat()
    except OSError as error:
        said = error.strerror or str(error)
        return f"a symbolic link ({said})" if path.is_symlink() else said
    return "something else than expected: neither a plain file nor a folder"
