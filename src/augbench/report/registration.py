"""What the report says of a study's pre-registration, or of its absence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augbench.report import words

_MANY = 12


@dataclass(frozen=True)
class Registration:
    """What was fixed before the external patients were scored.

    Attributes:
        sha256: of the canonical content.
        registered, scored: dates and times in UTC, ISO 8601; `scored` is empty where it was not recorded.
        changed: keys whose value is another one now.
        intact: whether the content still has this hash.
        revision: git commit at the time of registration; empty outside a repository.
        version: of augbench.
    """

    sha256: str
    registered: str
    scored: str
    changed: Sequence[str]
    intact: bool
    revision: str
    version: str

    @property
    def holds(self) -> bool:
        """Whether it was there before the scores, as far as is recorded, and is what was registered."""
        return self.intact and not self.scored_before

    @property
    def scored_before(self) -> bool:
        """Whether the external patients were scored before it was made."""
        return bool(self.scored) and self.scored < self.registered


def sentences(found: Registration | None) -> list[str]:
    """For the page: whether there is one, what it says, and whether anything changed."""
    if found is None:
        return ["This study was not pre-registered: nothing shows that endpoint, margins and design were fixed before "
                "the external patients were scored."]  # fmt: skip
    at = f" at commit {found.revision[:12]}" if found.revision else ""
    said = [
        "Endpoint, margins, arms, seeds, design, targets and external cohort were registered on "
        f"{_date(found.registered)} with augbench {found.version}{at}.",
        _scored(found),
    ]
    if not found.intact:
        said.append("The file was edited: its content does not have this hash, so it registers nothing.")
    elif found.changed:
        said.append(f"Changed since: {_listed(found.changed)}. What these decide was not fixed in advance.")
    else:
        said.append("Nothing of it has changed since.")
    return said


def _scored(found: Registration) -> str:
    if not found.scored:
        return "When the external patients were scored was not recorded where this page was made."
    if found.scored_before:
        return f"The external patients had been scored before, on {_date(found.scored)}: it fixed nothing in advance."
    return f"The external patients were scored after that, on {_date(found.scored)}."


def _listed(keys: Sequence[str]) -> str:
    """All of a few; of many, the first and how many more."""
    shown = list(keys[:_MANY])
    if len(keys) > _MANY:
        shown.append(f"{len(keys) - _MANY} more")
    return words.listed(shown)


def _date(moment: str) -> str:
    """`2026-11-25T02:03:47+00:00` as `2026-11-25, 02:03 UTC`."""
    day, _, clock = moment.partition("T")
    return f"{day}, {clock[:5]} UTC" if clock else day
