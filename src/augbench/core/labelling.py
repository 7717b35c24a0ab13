"""What an entry of `labelling` may read: a teacher knows no more than the generator, and nobody's drawings are lost."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from augbench.core.consistency import inconsistent, require_known

if TYPE_CHECKING:
    from augbench.core.params import LabellingEntry, Params

#: Kinds whose masks a network makes, and the kind whose masks people draw.
PSEUDO, TEACHER, MANUAL = "pseudo", "teacher", "manual"
#: Folders that stages write: what people drew there would be deleted.
_OUTPUTS = (
    "data/cohort",
    "data/generators",
    "data/synthetic",
    "data/models",
    "data/pictures",
    "data/predictions",
    "data/scores",
    "data/sheets",
    "reports",
)


def require_labellings(params: Params) -> None:
    """Raises UserError for the first entry that names what is not there, or reads what it must not."""
    twice = sorted(set(params.generators) & set(params.labelling))
    if twice:
        raise inconsistent(
            f"a generator and a labelling are both called '{twice[0]}'",
            ", ".join(twice),
            "each name once: arms find their frames by it",
            "rename the entry of 'labelling'",
        )
    for name, entry in params.labelling.items():
        if entry.generator is not None:
            require_known(f"labelling.{name}.images", entry.generator, params.generators, "a name in generators")
        if entry.kind in (PSEUDO, TEACHER):
            _require_network(name, entry, params)
        if entry.kind in (TEACHER, MANUAL) and entry.generator is None:
            raise inconsistent(
                f"labelling '{name}' of kind '{entry.kind}' has patients' images",
                entry.images,
                f"data/synthetic/<generator>: {', '.join(params.generators)}",
                f"correct labelling.{name}.images, or use kind '{PSEUDO}'",
            )
        if entry.kind == TEACHER:
            _require_no_more_than_the_generator(name, entry, params)
        if entry.kind == MANUAL and any(PurePosixPath(entry.source).is_relative_to(folder) for folder in _OUTPUTS):
            raise inconsistent(
                f"labelling '{name}' reads masks where a stage would delete them",
                entry.source,
                "a folder that no stage writes, such as data/labels",
                f"correct labelling.{name}.source",
            )


def _require_network(name: str, entry: LabellingEntry, params: Params) -> None:
    """The network has seen real frames alone: one that learnt from synthetic masks would pass on their mistakes."""
    if entry.network not in params.arms.patients:
        raise inconsistent(
            f"the source of labelling '{name}' is no network that was trained on real frames alone",
            entry.source,
            " or ".join(f"data/models/{arm}" for arm in params.arms.patients),
            f"correct labelling.{name}.source",
        )


def _require_no_more_than_the_generator(name: str, entry: LabellingEntry, params: Params) -> None:
    """A teacher may hold no information that the generator did not have."""
    learnt = params.arms.patients[str(entry.network)].cohort
    cohort = params.generators[str(entry.generator)].cohort
    if learnt != cohort:
        raise inconsistent(
            f"the teacher of labelling '{name}' learnt from other patients than the generator",
            f"arm '{entry.network}': cohort {learnt}; generator '{entry.generator}': cohort {cohort}",
            f"an arm of arms.patients with cohort {cohort}: a teacher knows nothing that the generator did not",
            f"name such an arm in labelling.{name}.source, or call the kind '{PSEUDO}'",
        )
    if params.training.selection != "last":
        raise inconsistent(
            f"the teacher of labelling '{name}' is selected by patients whom the generator never saw",
            f"training.selection: {params.training.selection}",
            "training.selection: last",
            f"set it, or call the kind of labelling.{name} '{PSEUDO}'",
        )
