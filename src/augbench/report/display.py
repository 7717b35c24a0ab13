"""How a study's keys are shown: names, order and colours of arms, views, structures and cohorts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from augbench.core.arms import CONTROL_ROLES, REFERENCE, Arm
from augbench.core.study import Names
from augbench.core.tables import ALL_VIEWS
from augbench.report.colours import line_colours, tints
from augbench.report.rows import sort_by


@dataclass(frozen=True)
class Display:
    """Without arguments every key is shown as it is, in the order of its first appearance.

    Attributes:
        names: display names of study.yaml.
        arms: every arm, the reference first.
        views, structures: in the order of the study.
        chosen: structure -> colour of study.yaml.
    """

    names: Names = field(default_factory=Names)
    arms: Sequence[Arm] = ()
    views: Sequence[str] = ()
    structures: Sequence[str] = ()
    chosen: dict[str, str] = field(default_factory=dict)

    def arm(self, key: str) -> str:
        """Display name of an arm."""
        return self.names.arms.get(key, key)

    def view(self, key: str) -> str:
        """Display name of a view."""
        return self.names.views.get(key, "all views" if key == ALL_VIEWS else key)

    def cohort(self, key: str) -> str:
        """Display name of a cohort."""
        return self.names.cohorts.get(key, key)

    def place(self, view: str, structure: str) -> str:
        """`<view> <key of the structure>`, or `mean of all`: short, for tables and axes."""
        return "mean of all" if view == ALL_VIEWS else f"{self.view(view)} {structure}"

    def spoken(self, view: str, structure: str) -> str:
        """`<view> <name of the structure>`, for sentences."""
        name = self.names.structures.get(structure, structure)
        return self.place(view, structure) if view == ALL_VIEWS else f"{self.view(view)} {name}"

    @property
    def reference(self) -> str:
        """Key of the reference arm; empty where no arms are known."""
        return next((arm.name for arm in self.arms if arm.role == REFERENCE), "")

    def opponent(self, key: str) -> str:
        """Display name of the arm that an arm is compared with."""
        arm = self.by_name.get(key)
        return self.arm(arm.against if arm is not None and arm.against else self.reference)

    @property
    def controls(self) -> list[Arm]:
        """Arms of a control's role, as they are declared."""
        return [arm for arm in self.arms if arm.is_control]

    @property
    def studied(self) -> list[Arm]:
        """Arms that are compared with the reference and are no controls."""
        return [arm for arm in self.arms if not arm.is_control and arm.role != REFERENCE]

    @cached_property
    def by_name(self) -> dict[str, Arm]:
        """Arms by name."""
        return {arm.name: arm for arm in self.arms}

    def sort_arms(self, keys: Iterable[str]) -> list[str]:
        """Reference first, then studied arms as they are declared, controls last."""
        order = sorted(self.arms, key=lambda arm: (arm.role != REFERENCE, arm.role in CONTROL_ROLES))
        return sort_by(keys, [arm.name for arm in order])

    def sort_generators(self, keys: Iterable[str]) -> list[str]:
        """Those of studied arms first, those of controls last."""
        return sort_by(keys, sort_by(arm.generator for arm in [*self.studied, *self.controls] if arm.generator))

    def arm_colours(self, keys: Iterable[str]) -> dict[str, str]:
        """Arm -> colour, the same in every figure of a study."""
        shown = self.sort_arms(keys)
        everyone = line_colours(self.sort_arms([*self.by_name, *shown]))
        return {key: everyone[key] for key in shown}

    def structure_colours(self, keys: Iterable[str] = ()) -> dict[str, str]:
        """Structure -> colour, the same in every picture of a study."""
        return tints(sort_by([*self.structures, *keys], self.structures), self.chosen)
