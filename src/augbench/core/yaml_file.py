"""A YAML file that a user wrote, read so that no text in it can do more than be wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from augbench.core.errors import UserError

#: Far above any experiment, far below what a bomb of nested aliases unfolds to.
_LARGEST_BYTES = 200_000
_MOST_NODES = 20_000
_DEEPEST = 50
#: PyYAML answers odd scalars (a 13th month, a tag that does not fit) with these instead of its own error.
_ODD = (ValueError, TypeError, AttributeError, KeyError, RecursionError, OverflowError)


def load_yaml(path: Path) -> Any:
    """Content of a YAML file; only plain data, no tag makes an object.

    Raises:
        UserError: it is not UTF-8, not YAML, too large or too deep, names a key twice, or an alias holds itself.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST_BYTES:
            raise ValueError(f"{size} bytes, more than {_LARGEST_BYTES}")
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _count(root, [])
        return yaml.safe_load(text)
    except (yaml.YAMLError, *_ODD) as error:
        raise UserError(
            "file is not valid YAML",
            got=str(error) or type(error).__name__,
            expected="plain YAML in UTF-8: mappings, lists, numbers and text",
            remedy="correct the line; `augbench new NAME --like smoke` writes complete files",
            file=path,
        ) from error


def _count(node: yaml.Node, above: list[yaml.Node], budget: list[int] | None = None) -> None:
    """Walk the document as it unfolds, aliases followed.

    Raises:
        ValueError: a key occurs twice, an alias holds itself, or there are too many nodes or levels.
    """
    budget = budget if budget is not None else [_MOST_NODES]
    budget[0] -= 1
    if budget[0] < 0 or len(above) > _DEEPEST:
        raise ValueError(f"more than {_MOST_NODES} values or {_DEEPEST} levels once aliases are followed")
    if any(node is one for one in above):
        raise ValueError(f"an alias holds itself{node.start_mark}")
    inner = [*above, node]
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _count(child, inner, budget)
    if isinstance(node, yaml.MappingNode):
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = [key for key, count in keys.items() if count > 1]
        if twice:
            raise ValueError(f"key '{twice[0]}' occurs twice{node.start_mark}")
        for key, child in node.value:
            _count(key, inner, budget)
            _count(child, inner, budget)
