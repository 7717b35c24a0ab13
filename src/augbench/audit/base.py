"""What every audit of synthetic frames is: the features of three sets of frames in, JSON-ready numbers out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from augbench.audit._search import Features, Matches, Queries, Search, find_matches
from augbench.audit._subjects import require_features, subject_codes, too_few_subjects
from augbench.core.component import Component

Subjects = NDArray[np.generic]
Axis = Literal["fidelity", "coverage", "privacy"]

#: False alarms that the whole audit of a generator may raise: all its tests with a verdict, feature spaces and seeds.
FALSE_ALARMS = 0.05

#: Key of a distance between real frames of different patients: what it is when nothing differs but the draw.
FLOOR = "floor"


@dataclass(frozen=True)
class Sets:
    """Frames that an audit compares, as features of one extractor.

    Attributes:
        synthetic: (n, d) of generated frames, each a subject of its own.
        training: (k, d) of the real frames that the generator learnt from.
        held_out: (m, d) of real frames of patients that no generator saw.
        training_subjects, held_out_subjects: (k,) and (m,) patient of each real frame, as numbers or text.
        search: the same frames as neighbours are looked for; None: as they are, with plain copies planted.

    Raises:
        ValueError: features are not (n, d) with n >= 1, are not finite or differ in d, a frame has no subject, or
            `search` has other numbers of frames.
    """

    synthetic: Features
    training: Features
    held_out: Features
    training_subjects: Subjects
    held_out_subjects: Subjects
    search: Search | None = None

    def __post_init__(self) -> None:
        require_features(synthetic=self.synthetic, training=self.training, held_out=self.held_out)
        subject_codes(self.training_subjects, len(self.training))
        subject_codes(self.held_out_subjects, len(self.held_out))
        if self.search is not None:
            require_features(training=self.search.training, held_out=self.search.held_out)
            found = self.search.synthetic.count, len(self.search.training), len(self.search.held_out)
            wanted = len(self.synthetic), len(self.training), len(self.held_out)
            if found != wanted:
                raise ValueError(f"neighbours are looked for among {found} frames, but there are {wanted}")

    @cached_property
    def matches(self) -> Matches:
        """Nearest neighbours, searched once for all tests that ask.

        Raises:
            UserError: fewer than two patients in either set.
        """
        codes = [
            subject_codes(self.training_subjects, len(self.training)),
            subject_codes(self.held_out_subjects, len(self.held_out)),
        ]
        if min(int(code.max()) for code in codes) < 1:
            raise too_few_subjects("a search for neighbours", 2)
        planted = {"verbatim": Queries.of(self.training)}
        search = self.search or Search(Queries.of(self.synthetic), self.training, self.held_out, planted)
        return find_matches(search, *codes)


class AuditTest(Component):
    """One question about a set of synthetic frames. Its fields are its section `audit.metrics.<name>` of params.yaml.

    Attributes:
        axis: what it is about; axes are never added up into one score.
        title: name for readers; the features that it was measured on are named beside it.
        higher_is_better: direction of the result's `value`.
    """

    family: ClassVar[str] = "audit"
    axis: ClassVar[Axis]
    title: ClassVar[str]
    higher_is_better: ClassVar[bool]

    @abstractmethod
    def measure(self, sets: Sets, rng: np.random.Generator, alpha: float = FALSE_ALARMS) -> dict[str, Any]:
        """JSON with at least `axis` and `value`; other keys as the classes below say.

        Args:
            alpha: rate of false alarms that a verdict may have; tests without one do not look at it.

        Raises:
            UserError: too few patients in a set.
        """


@dataclass(frozen=True)
class MeasuredDistance:
    """A distance between two sets of frames with its 95% confidence interval.

    Attributes:
        n_reference, n_sample: frames on either side; distances at different n are not comparable.
    """

    value: float
    ci_low: float
    ci_high: float
    n_reference: int
    n_sample: int


class SetDistance(AuditTest):
    """Distance of synthetic frames to held-out patients, so that copies of training frames earn no better value.

    A result holds the fields of `MeasuredDistance`, and under `floor` those of the same distance with real training
    frames in the place of the synthetic ones: as many, if there are so many.

    Attributes:
        min_subjects: in each of the two sets; fewer give no interval.
    """

    axis: ClassVar[Axis] = "fidelity"
    higher_is_better: ClassVar[bool] = False
    min_subjects: ClassVar[int]

    def measure(self, sets: Sets, rng: np.random.Generator, alpha: float = FALSE_ALARMS) -> dict[str, Any]:
        """Distance and floor; see the class."""
        distance = self.distance(sets.held_out, sets.synthetic, rng, sets.held_out_subjects)
        rows = rng.permutation(len(sets.training))[: len(sets.synthetic)]
        real, subjects = sets.training[rows], sets.training_subjects[rows]
        floor = self.distance(sets.held_out, real, rng, sets.held_out_subjects, subjects)
        return {"axis": self.axis, **asdict(distance), FLOOR: asdict(floor)}

    def distance(
        self,
        reference: Features,
        sample: Features,
        rng: np.random.Generator,
        reference_subjects: Subjects | None = None,
        sample_subjects: Subjects | None = None,
    ) -> MeasuredDistance:
        """Distance of `sample` (m, d) to `reference` (n, d).

        Args:
            reference_subjects, sample_subjects: (n,) and (m,) patient of each frame; None when each frame is its own
                (synthetic frames). Frames of a patient resemble each other: without this the interval is too narrow.

        Raises:
            ValueError: features or subjects of a wrong shape, or not finite.
            UserError: too few patients.
        """
        require_features(reference=reference, sample=sample)
        codes = subject_codes(reference_subjects, len(reference)), subject_codes(sample_subjects, len(sample))
        if min(int(code.max()) + 1 for code in codes) < self.min_subjects:
            raise too_few_subjects(self.title, self.min_subjects)
        value, ci_low, ci_high = self.estimate(reference, sample, *codes, rng)
        return MeasuredDistance(value, ci_low, ci_high, len(reference), len(sample))

    @abstractmethod
    def estimate(
        self,
        reference: Features,
        sample: Features,
        reference_codes: NDArray[np.intp],
        sample_codes: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> tuple[float, float, float]:
        """Value and 95% interval (low, high) of the distance of `sample` (m, d) to `reference` (n, d).

        Args:
            reference_codes, sample_codes: (n,) and (m,) patient of each frame, numbered from 0.
        """


@dataclass(frozen=True)
class Finding:
    """What a privacy test found.

    Attributes:
        value: the number to show.
        flagged: whether the generator is held to give its training patients away.
        evidence: further JSON by name.
    """

    value: float
    flagged: bool
    evidence: Mapping[str, Any]


class PrivacyTest(AuditTest):
    """Does a set of synthetic frames give away whom the generator learnt from?

    A result holds `value`, `flagged` and the test's evidence; or, where the test cannot be made, null for both and the
    reason under `undefined`.
    """

    axis: ClassVar[Axis] = "privacy"

    def measure(self, sets: Sets, rng: np.random.Generator, alpha: float = FALSE_ALARMS) -> dict[str, Any]:
        """What was found; see the class."""
        found = self.test(sets, rng, alpha)
        return {"axis": self.axis, "value": found.value, "flagged": found.flagged, **found.evidence}

    @abstractmethod
    def test(self, sets: Sets, rng: np.random.Generator, alpha: float) -> Finding:
        """The finding on `sets`, with false alarms at a rate of `alpha`; `rng` is for tests that draw.

        Raises:
            UserError: too few patients.
        """

    def undefined(self, reason: str) -> dict[str, Any]:
        """The result where the test cannot be made."""
        return {"axis": self.axis, "value": None, "flagged": None, "undefined": reason}
