"""What a revision's params.yaml declares: roles of arms, scores, how it judges. Other sections may be of any form."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from augbench.core.arms import CONTROL_ROLES
from augbench.core.component import Section, invalid_parameter
from augbench.core.errors import UserError
from augbench.core.params import PARAMS_FILE, Comparison, Gate

Model = TypeVar("Model", bound=Section)


class _Lenient(BaseModel):
    """Reads what it knows: a revision may have keys that this version has not, and the other way round."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Arm(_Lenient):
    """`synthetic` names a generator or a labelling; before there were labellings, `generator` named the former."""

    role: str
    generator: str = ""
    synthetic: str = ""


class _Arms(_Lenient):
    patients: dict[str, _Arm] = Field(default_factory=dict)
    generated: dict[str, _Arm] = Field(default_factory=dict)


class _Evaluation(_Lenient):
    external: str
    metrics: dict[str, dict[str, Any]]


class Declared(_Lenient):
    """Sections that a comparison of revisions needs of both."""

    arms: _Arms
    evaluation: _Evaluation
    comparison: dict[str, Any] = Field(default_factory=dict)
    gate: dict[str, Any] = Field(default_factory=dict)
    labelling: Any = None
    seed: int = 0
    code: str = "."

    @property
    def roles(self) -> dict[str, str]:
        """Arm -> role."""
        return {name: arm.role for name, arm in {**self.arms.patients, **self.arms.generated}.items()}

    @property
    def generators(self) -> dict[str, str]:
        """Arm -> its generator, of the arms that have one."""
        found = {name: self._maker(arm.synthetic or arm.generator) for name, arm in self.arms.generated.items()}
        return {name: maker for name, maker in found.items() if maker}

    def _maker(self, frames: str) -> str:
        """The generator behind a set of synthetic frames; '' where the images are patients'."""
        entry = self.labelling.get(frames) if isinstance(self.labelling, dict) else None
        if not isinstance(entry, dict):
            return frames
        folder, _, name = str(entry.get("images")).rpartition("/")
        return name if folder == "data/synthetic" else ""

    @property
    def controls(self) -> list[str]:
        """Arms about which nothing is concluded."""
        return [name for name, role in self.roles.items() if role in CONTROL_ROLES]

    @property
    def passes(self) -> dict[str, Any]:
        """What its gate lets pass, in its own words."""
        return {"primary": self.comparison.get("primary"), **Gate().model_dump(), **self.gate}

    def judging(self) -> Comparison:
        """How it judges differences; raises UserError where its section is not valid."""
        return _section(Comparison, "comparison", self.comparison)

    def gating(self) -> Gate:
        """What its gate lets pass; raises UserError where its section is not valid."""
        return _section(Gate, "gate", self.gate)


def declared(params: dict[str, Any], where: str) -> Declared:
    """Of a loaded params.yaml; `where` says whose: ` at 'main'`.

    Raises:
        UserError: it has no such sections, as before arms were declared.
    """
    try:
        return Declared(**params)
    except (ValidationError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        raise UserError(
            f"params.yaml{where} is of another form",
            got=f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}",
            expected="sections `arms` (each with its role) and `evaluation` as in studies/smoke/params.yaml",
            remedy=f"bring params.yaml{where} to today's form, `augbench repro`, and commit reports/ and dvc.lock",
            file=PARAMS_FILE,
        ) from error


def _section(model: type[Model], name: str, options: dict[str, Any]) -> Model:
    try:
        return model(**options)
    except ValidationError as error:
        raise invalid_parameter(error, name, list(model.model_fields)) from error
