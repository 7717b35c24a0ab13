"""Components: one file each, found by name. File stem = registry key = params key = DVC suffix."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import Any, get_args

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


# Modules of a family that hold shared code instead of a component.
_SHARED = ("base", "features", "adversarial")


def available(family: str) -> list[str]:
    """Names of the components of a family such as `generators`, from its files."""
    package = importlib.import_module(f"augbench.{family}")
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in names if name not in _SHARED and not name.startswith("_"))


def create(family: str, name: str, params: dict[str, Any] | None = None) -> Any:
    """The component `name` of `family`, built from its section of params.yaml.

    Raises:
        UserError: no such component (with the nearest name), or a wrong, unknown or missing parameter.
    """
    names = available(family)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise UserError(
            f"unknown name '{name}' among {family}",
            got=name,
            expected=", ".join(names),
            remedy=f"did you mean '{near[0]}'?" if near else "use one of the expected names",
            file="params.yaml",
        )
    component: type[Component] = importlib.import_module(f"augbench.{family}.{name}").COMPONENT
    try:
        return component(**(params or {}))
    except ValidationError as error:
        raise invalid_parameter(error, f"{family}.{name}", list(component.model_fields)) from error


def invalid_parameter(error: ValidationError, section: str, fields: list[str]) -> UserError:
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
            file="params.yaml",
        )
    if first["type"] == "missing":
        return UserError(
            f"parameter '{key}' is missing",
            got="no value",
            expected=f"every key of {section or 'params.yaml'}",
            remedy=f"add '{key}'; presets/ holds complete files",
            file="params.yaml",
        )
    return UserError(
        f"parameter '{key}' is not valid",
        got=repr(first.get("input")),
        expected=first["msg"],
        remedy=f"correct '{key}'",
        file="params.yaml",
    )


def _holds_boolean(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_boolean(one) for one in value)
    return isinstance(value, bool)


def _leaf_types(annotation: Any) -> set[Any]:
    """Types at the ends of an annotation: `list[int | float]` -> {int, float}."""
    parts = get_args(annotation)
    return set().union(*(_leaf_types(part) for part in parts)) if parts else {annotation}
