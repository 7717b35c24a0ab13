"""study.yaml: what a study says in words, beside the numbers of params.yaml. The report reads it, no other stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from augbench.core.component import Section, invalid_parameter
from augbench.core.errors import UserError
from augbench.core.layout import STUDY
from augbench.core.yaml_file import load_yaml

Quartiles = Annotated[tuple[float, float, float], Field(description="median, lower and upper quartile")]
#: The value of `pictures` with which frames may stand in reports/.
SHOWN = "shown"
Colour = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]


class PublishedRow(Section):
    """One line of a published table.

    Attributes:
        label: the publication's words.
        view, structure: of ours, laid beside it.
        arm, reference: median, lower and upper quartile.
        p: as printed.
        variation_arm, variation_reference: "percent variation" as printed, where the publication has it.
    """

    label: str
    view: str
    structure: str
    arm: Quartiles
    reference: Quartiles
    p: str = ""
    variation_arm: float | None = None
    variation_reference: float | None = None


class Published(Section):
    """The published result that the study is laid beside.

    Attributes:
        facts: what the publication had, in its words: `{patients of the generator: 303}`.
        metric: kind of the score in the table.
        arm, reference: our arms beside the publication's two columns.
        arm_title, reference_title: its names for them.
    """

    citation: str
    doi: str = ""
    facts: dict[str, str | int | float] = Field(default_factory=dict)
    metric: str
    arm: str
    reference: str
    arm_title: str
    reference_title: str
    rows: list[PublishedRow] = Field(min_length=1)


class Target(Section):
    """What the study set out to reach, fixed before any external score was seen.

    Attributes:
        name: in words.
        kind: `ratio`: mean of `arm` over that of the reference arm; `difference`: arm minus reference; `interval`:
            width of that difference's interval; `not below`: mean of `arm` at least that of each of `others`;
            `flagged`, `not flagged`: the privacy audit's answer for the arm's generator.
        arm: the arm it speaks of.
        at_least, at_most: limit, where the kind has one.
        others: arms it is held against.
    """

    name: str
    kind: Literal["ratio", "difference", "interval", "not below", "flagged", "not flagged"]
    arm: str
    at_least: float | None = None
    at_most: float | None = None
    others: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _can_fail(self) -> Target:
        """A target without anything to miss would always be shown."""
        limited = self.at_least is not None or self.at_most is not None
        if limited != (self.kind in ("ratio", "difference", "interval")):
            need = "no limit" if limited else "a limit, at_least or at_most"
            raise ValueError(f"target '{self.name}' of kind '{self.kind}' takes {need}")
        if bool(self.others) != (self.kind == "not below"):
            need = "no others" if self.others else "others, a list of arms"
            raise ValueError(f"target '{self.name}' of kind '{self.kind}' takes {need}")
        return self


class Names(Section):
    """Names to show; what is not listed is shown as its key."""

    views: dict[str, str] = Field(default_factory=dict)
    structures: dict[str, str] = Field(default_factory=dict)
    arms: dict[str, str] = Field(default_factory=dict)
    cohorts: dict[str, str] = Field(default_factory=dict)


class Reference(Section):
    """A publication in the list of references."""

    text: str
    doi: str = ""


class Study(Section):
    """All of study.yaml.

    Attributes:
        question: what the study asks, in a sentence.
        modality: of the images, such as `cardiac MR`.
        grey_scale: what the grey levels mean.
        pictures: `shown`: frames of patients and of generators stand in reports/, which git keeps; `withheld`: they
            stay in data/pictures, which git does not keep. Nothing is shown unless the study says so.
        colours: structure -> colour; others come from the palette.
        notes: limits of the study, in sentences.
    """

    title: str
    question: str
    modality: str
    published: Published | None = None
    targets: list[Target] = Field(default_factory=list)
    names: Names = Field(default_factory=Names)
    colours: dict[str, Colour] = Field(default_factory=dict)
    grey_scale: str = ""
    pictures: Literal["shown", "withheld"] = "withheld"
    notes: list[str] = Field(default_factory=list)
    references: list[Reference] = Field(default_factory=list)


def read_study(path: Path = STUDY) -> Study:
    """Read and validate study.yaml.

    Raises:
        UserError: the file is missing, is not YAML, or holds an unknown, missing or impossible value.
    """
    if not path.is_file():
        raise UserError(
            f"{path} is missing",
            got="no such file",
            expected="what the study says: title, question, modality",
            remedy="write one; `augbench new NAME --like smoke` writes a short example",
            file=path,
        )
    content: Any = load_yaml(path)
    try:
        return Study(**content) if isinstance(content, dict) else Study.model_validate(content)
    except (ValidationError, TypeError) as error:
        if isinstance(error, TypeError):
            raise UserError(
                "names must be text", got=str(error), expected="text keys", remedy="put the key in quotes", file=path
            ) from error
        raise invalid_parameter(error, "", list(Study.model_fields), file=path) from error
