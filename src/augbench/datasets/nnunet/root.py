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

    return Path(_VARIABLE.sub(value, text)).expanduser()
