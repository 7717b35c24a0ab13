"""What every audit of synthetic frames is: the features of three sets of frames in, JSON-ready numbers out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from augbench.audit._subjects import require_features, subject_codes, too_few_subjects
from augbench.core.component import Component

Features = NDArray[np.floating]
Subjects = NDArray[np.generic]
Axis = Literal["fidelity", "coverage", "privacy"]

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

    Raises:
        ValueError: features are not (n, d) with n >= 1, are not finite or differ in d, or a frame has no subject.
    """

    synthetic: Features
    training: Features
    held_out: Features
    training_subjects: Subjects
    held_out_subjects: Subjects

    def __post_init__(self) -> None:
        require_features(synthetic=self.synthetic, training=self.training, held_out=self.held_out)
        subject_codes(self.training_subjects, len(self.training))
        subject_codes(self.held_out_subjects, len(self.held_out))


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
    def measure(self, sets: Sets, rng: np.random.Generator) -> dict[str, Any]:
        """JSON with at least `axis` and `value`; other keys as the classes below say.

        Raises:
            UserError: too few patients in a set.
        """


@dataclass(frozen=True)
class Estimate:
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

    A result holds the fields of `Estimate`, and under `floor` those of the same distance with real training frames in
    the place of the synthetic ones: as many, if there are so many.

    Attributes:
        min_subjects: in each of the two sets; fewer give no interval.
    """

    axis: ClassVar[Axis] = "fidelity"
    higher_is_better: ClassVar[bool] = False
    min_subjects: ClassVar[int]

    def measure(self, sets: Sets, rng: np.random.Generator) -> dict[str, Any]:
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
    ) -> Estimate:
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
        return Estimate(value, ci_low, ci_high, len(reference), len(sample))

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
        evidence: further numbers by name.
    """

    value: float
    flagged: bool
    evidence: Mapping[str, float | bool]


class PrivacyTest(AuditTest):
    """Does a set of synthetic frames give away whom the generator learnt from?

    A result holds `value`, `flagged` and the test's evidence.
    """

    axis: ClassVar[Axis] = "privacy"

    def measure(self, sets: Sets, rng: np.random.Generator) -> dict[str, Any]:
        """What was found; see the class."""
        found = self.test(sets, rng)
        return {"axis": self.axis, "value": found.value, "flagged": found.flagged, **found.evidence}

    @abstractmethod
    def test(self, sets: Sets, rng: np.random.Generator) -> Finding:
        """The finding on `sets`; `rng` is for tests that draw.

        Raises:
            UserError: too few held-out patients.
        """
