"""`--set key=value`: values of a params.yaml changed in its text, so that comments, anchors and order stay."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from augbench.core.errors import UserError

_ANCHOR = re.compile(r"&\S+\s+")
#: Behind a key: the colon and a reference to what stands elsewhere.
_ALIAS = re.compile(r"\s*:\s*(?P<name>\*[^\s,\[\]{}]+)")
_MERGE = "<<"


class Setting(NamedTuple):
    """One change.

    Attributes:
        key: with dots between the sections: `training.steps`.
        value: as YAML reads it.
    """

    key: str
    value: Any


def parse_settings(texts: list[str]) -> list[Setting]:
    """`["training.steps=1000", "views=[sax]"]` as typed.

    Raises:
        UserError: one has no `=`, a value that is not YAML, or a key that was given before.
    """
    settings: list[Setting] = []
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise _refused("--set takes KEY=VALUE", text, "training.steps=1000", "write the key, `=` and the value")
        if key.strip() in {setting.key for setting in settings}:
            raise _refused(f"--set names '{key.strip()}' twice", text, "each key once", "leave one of them out")
        try:
            parsed = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError) as error:
            raise _refused(
                f"the value of '{key.strip()}' is not YAML", value, "a number, text, [list] or {mapping}", "correct it"
            ) from error
        settings.append(Setting(key.strip(), parsed))
    return settings


def apply_settings(text: str, settings: list[Setting]) -> str:
    """The YAML `text` with every value replaced; all else stays as it is, byte for byte.

    Raises:
        UserError: a key is not in the text (names the nearest), or belongs to a section shared by several places.
    """
    for setting in settings:
        edited = _apply(text, setting)
        try:
            content = yaml.safe_load(edited)
        except yaml.YAMLError as error:  # what was replaced held an anchor that something else needs
            raise _refused(
                f"'{setting.key}' cannot be replaced as a whole",
                str(getattr(error, "problem", error)),
                "a value that no other place refers to",
                "set its keys one by one",
            ) from error
        for key in _path(_composed(edited), setting.key):
            content = content[key]
        if content != setting.value:
            raise _refused(f"'{setting.key}' cannot be set this way", content, str(setting.value), "edit the file")
        text = edited
    return text


def _apply(text: str, setting: Setting) -> str:
    """A text with one value replaced, or added where the key came by a merge (`<<: *other`)."""
    root = _composed(text)
    *parents, last = _path(root, setting.key)
    section = root
    for depth, key in enumerate(parents):
        found = _own(section, key)
        if found is None or _alias_of(text, found) is not None:
            shared = ".".join([*parents[: depth + 1]])
            raise _refused(
                f"'{shared}' is written elsewhere and shared",
                setting.key,
                "a key of a section that stands in its own place",
                f"set it where it is written, or replace the whole: --set '{shared}={{...}}'",
            )
        section = found[1]
    found = _own(section, last)
    if found is None:
        return _added(text, section, last, setting.value)
    key_node, value_node = found
    start, end = value_node.start_mark.index, _end(text, found)
    if alias := _alias_of(text, found):  # this place alone changes
        start = alias.start("name")
    elif anchor := _ANCHOR.match(text, start, end):
        start = anchor.end()
    # A block sequence may stand as far left as its key; what replaces it must be further in.
    indent = "  " if value_node.start_mark.line > key_node.start_mark.line else ""
    return text[:start] + indent + _flow(setting.value) + text[end:]


def _composed(text: str) -> yaml.Node:
    """The nodes of a YAML text, with the places where they are written."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        raise _refused(
            "there is nothing to set", "an empty file", "a mapping of parameters", "start from a whole study"
        )
    return root


def _path(root: yaml.Node, dotted: str) -> list[str]:
    """Keys from the top to a value; names of entries may hold dots themselves."""
    path: list[str] = []
    node, rest = root, dotted
    while rest:
        keys = dict(_items(node))
        fitting = [key for key in keys if rest == key or rest.startswith(f"{key}.")]
        if not fitting:
            raise _unknown(".".join(path), rest, list(keys))
        key = max(fitting, key=len)
        path.append(key)
        node, rest = keys[key], rest[len(key) + 1 :]
    return path


def _items(node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    """Keys and values of a mapping, merged ones first so that own ones win in a dict."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value == _MERGE:
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                yield from _items(merged)
    for key, value in node.value:
        if key.value != _MERGE:
            yield str(key.value), value


def _own(node: yaml.Node, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    """Key and value as they stand in this very mapping; None where they come by a merge."""
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _alias_of(text: str, found: tuple[yaml.Node, yaml.Node]) -> re.Match[str] | None:
    """The `*name` behind a key whose value is written elsewhere; None where it stands here."""
    return _ALIAS.match(text, found[0].end_mark.index)


def _end(text: str, found: tuple[yaml.Node, yaml.Node]) -> int:
    """Index behind the last sign of what stands behind a key."""
    alias = _alias_of(text, found)
    return alias.end() if alias else _end_of(text, found[1])


def _end_of(text: str, node: yaml.Node) -> int:
    """The same of a value; YAML's own mark of a block lies behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        if isinstance(last, tuple):
            return _end(text, last)
        if last.start_mark.index >= node.start_mark.index:
            return _end_of(text, last)
    return len(text[: node.end_mark.index].rstrip())


def _added(text: str, section: yaml.Node, name: str, value: Any) -> str:
    """A key put behind the section's `<<: *other`, which has given its value so far."""
    merge = next(pair for pair in section.value if pair[0].value == _MERGE)
    behind = _end(text, merge)
    entry = f"{name}: {_flow(value)}"
    if isinstance(section, yaml.MappingNode) and section.flow_style:
        return f"{text[:behind]}, {entry}{text[behind:]}"
    line_end = text.find("\n", behind)
    line_end = len(text) if line_end < 0 else line_end
    return f"{text[:line_end]}\n{' ' * merge[0].start_mark.column}{entry}{text[line_end:]}"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _unknown(section: str, name: str, keys: list[str]) -> UserError:
    wanted = name.partition(".")[0]
    near = difflib.get_close_matches(wanted, keys, n=1)
    key = f"{section}.{wanted}" if section else wanted
    return _refused(
        f"params.yaml has no '{key}'",
        name if not section else f"{section}.{name}",
        ", ".join(keys) or f"no key: '{section}' holds a single value",
        f"did you mean '{near[0]}'?" if near else "use an expected key, or edit params.yaml of a study of your own",
    )


def _refused(what: str, got: object, expected: str, remedy: str) -> UserError:
    return UserError(what, got=got, expected=expected, remedy=remedy, file="params.yaml")
