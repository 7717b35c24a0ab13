"""Components: one file or folder each, found by name. File stem = kind in params.yaml = suffix of a path in dvc.yaml.

A family is a package of augbench whose `base.py` holds the class that all its components derive from. Installed
packages may add components through the entry-point group `augbench.<family>`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from augbench.core.errors import UserError


class Section(BaseModel):
    """A part of params.yaml as validated, frozen fields: an unknown key, a wrong type, NaN or infinity is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic takes `true` for 1; nobody who writes `steps: true` means one step."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        if _holds_boolean(value) and not {bool, Any} & _leaf_types(annotation):
            raise ValueError("a value that is not true or false (in YAML, yes, no, on and off mean these too)")
        return value


class Component(Section):
    """Hyper-parameters of one component, from its section of params.yaml."""

    #: Package of the family below `augbench`, such as `generators`; set by the family's base class.
    family: ClassVar[str]


Family = TypeVar("Family", bound=Component)

#: Modules of a family that hold shared code instead of a component.
_SHARED = ("base", "features", "adversarial")


def available(base: type[Component]) -> list[str]:
    """Kinds of a family: its files and folders, and what installed packages add."""
    package = importlib.import_module(f"augbench.{base.family}")
    own = (module.name for module in pkgutil.iter_modules(package.__path__))
    found = {name for name in own if name not in _SHARED and not name.startswith("_")}
    return sorted(found | set(_added(base)))


def create(base: type[Family], kind: str, options: dict[str, Any] | None = None, *, entry: str = "") -> Family:
    """The component `kind` of the family of `base`, built from its section: `create(Generator, "pggan", {...})`.

    Args:
        entry: where kind and options stand in params.yaml, such as `generators.mine`: errors name the user's own key.

    Raises:
        UserError: no such component (with the nearest name), a wrong, unknown or missing parameter, or an installed
            package offers something that is no component of the family.
    """
    component = _find(base, kind, entry)
    try:
        return component(**(options or {}))
    except ValidationError as error:
        raise invalid_parameter(error, entry or f"{base.family}.{kind}", _keys(component, error)) from error


def _find(base: type[Family], kind: str, entry: str) -> type[Family]:
    kinds = available(base)
    if kind not in kinds:
        near = difflib.get_close_matches(kind, kinds, n=1)
        raise UserError(
            f"unknown kind '{kind}' among {base.family}" + (f", in '{entry}'" if entry else ""),
            got=kind,
            expected=", ".join(kinds),
            remedy=f"did you mean '{near[0]}'?" if near else "use one of the expected kinds",
            file="params.yaml",
        )
    added = _added(base).get(kind)
    found = added.load() if added else importlib.import_module(f"augbench.{base.family}.{kind}").COMPONENT
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UserError(
            f"'{kind}' is no component of {base.family}",
            got=repr(found),
            expected=f"a class that derives from {base.__module__}.{base.__name__}",
            remedy="correct its COMPONENT, or the entry point of the package that adds it",
            file=added.value if added else f"augbench/{base.family}/{kind}",
        )
    return found


def _added(base: type[Component]) -> dict[str, EntryPoint]:
    """Kinds that installed packages add; they cannot replace one of augbench's own files."""
    return {entry.name: entry for entry in entry_points(group=f"augbench.{base.family}")}


def _keys(model: type[BaseModel], error: ValidationError) -> list[str]:
    """Keys that are allowed where the first unknown one stands, or at the top, as params.yaml spells them."""
    unknown = next((one for one in error.errors() if one["type"] == "extra_forbidden"), error.errors()[0])
    for part in unknown["loc"][:-1]:
        # Within a mapping of entries the entry's name is no field.
        field = next((one for name, one in model.model_fields.items() if part in (name, one.alias)), None)
        leaves = _leaf_types(field.annotation) if field else set()
        model = next((one for one in leaves if isinstance(one, type) and issubclass(one, BaseModel)), model)
    return [field.alias or name for name, field in model.model_fields.items()]


#: What people write for a value, and what it is called here.
_ALIASES = {"cuda": "gpu", "mps": "cpu", "bfloat16": "bf16", "fp16": "bf16", "float32": "fp32"}


def invalid_parameter(
    error: ValidationError, section: str, fields: list[str], file: str | Path = "params.yaml"
) -> UserError:
    """The first problem pydantic found, as a message that names the key and the remedy."""
    # A misspelt key is also a missing one: the unknown name is what the user wants to hear of.
    first = next((one for one in error.errors() if one["type"] == "extra_forbidden"), error.errors()[0])
    path = ".".join(str(part) for part in first["loc"])
    key = f"{section}.{path}".strip(".")
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(first["loc"][-1]), fields, n=1)
        return UserError(
            f"unknown parameter '{key}'",
            got=first["loc"][-1],
            expected=", ".join(sorted(fields)) or "no parameters",
            remedy=f"did you mean '{near[0]}'?" if near else "remove it or use an expected name",
            file=file,
        )
    if first["type"] == "missing":
        return UserError(
            f"parameter '{key}' is missing",
            got="no value",
            expected=f"every key of {section or file}",
            remedy=f"add '{key}'; `augbench new NAME --like smoke` writes a complete example",
            file=file,
        )
    return UserError(
        f"parameter '{key}' is not valid",
        got=repr(first.get("input")),
        expected=first["msg"],
        remedy=_correction(key, first),
        file=file,
    )


def _correction(key: str, problem: Any) -> str:
    given = str(problem.get("input"))
    choices = str(problem.get("ctx", {}).get("expected", "")).replace("'", "").replace(" or ", ", ").split(", ")
    near = _ALIASES.get(given) if _ALIASES.get(given) in choices else None
    near = near or next(iter(difflib.get_close_matches(given, choices, n=1)), None)
    return f"did you mean '{near}'?" if problem["type"] == "literal_error" and near else f"correct '{key}'"


def _holds_boolean(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_boolean(one) for one in value)
    return isinstance(value, bool)


def _leaf_types(annotation: Any) -> set[Any]:
    """Types at the ends of an annotation: `list[int | float]` -> {int, float}."""
    parts = get_args(annotation)
    return set().union(*(_leaf_types(part) for part in parts)) if parts else {annotation}
