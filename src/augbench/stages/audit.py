"""audit: a generator's synthetic frames against real ones -> fidelity and privacy, for every seed and feature space."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augbench.audit._copies import KINDS, copies
from augbench.audit._search import Queries, Search
from augbench.audit._whole import privacy_summary
from augbench.audit.base import FALSE_ALARMS, AuditTest, PrivacyTest, Sets
from augbench.audit.features.base import Encode, FeatureExtractor, NetworkEncoder
from augbench.core import layout
from augbench.core.arms import arm_named, require_generator
from augbench.core.component import create
from augbench.core.device import torch_device
from augbench.core.errors import UserError
from augbench.core.params import PARAMS_FILE, Params
from augbench.core.reports import write_report_json
from augbench.core.seeding import child_rng
from augbench.core.shards import read_frames
from augbench.core.types import Frames, Pairs
from augbench.runtime.parts import checkpoints_of
from augbench.segmenters.base import Segmenter
from augbench.stages.cohorts import generator_frames
from augbench.stages.networks import load_network
from augbench.stages.sheets import nearest_pairs, pair_sheet, write_sheet

#: Copies of each kind that are planted to learn the detection limit.
_PLANTED = 150


def run(params: Params, generator_name: str) -> None:
    """Audit every seed of a generator, write reports/audit/<generator>.json and frames for the report to draw.

    The nearest pairs go to data/sheets/<generator>/: on real images nothing of a pixel may enter reports/.

    Raises:
        UserError: there is no such generator, a set of frames is missing, damaged or too small, or no network is named
            and the features need one.
    """
    require_generator(params, generator_name)
    audit = GeneratorAudit(params, generator_name)
    with checkpoints_of(params, f"audit@{generator_name}") as checkpoints:
        latest = None if checkpoints is None else checkpoints.latest()
        found: dict[str, Any] = {} if latest is None else latest.state
        done = 0 if latest is None else latest.step
        for features in audit.extractors:
            for seed in audit.synthetic:
                of_seed = found.setdefault(str(seed), {})
                if features in of_seed:
                    continue
                of_seed[features] = audit.examine(features, seed)
                done += 1
                if checkpoints is not None and checkpoints.due():
                    checkpoints.save(done, {}, found)
    by_seed = {
        str(seed): {
            metric: {features: found[str(seed)][features]["results"][metric] for features in audit.extractors}
            for metric in audit.tests
        }
        for seed in audit.synthetic
    }
    pairs = [
        {"seed": int(seed), "features": features, **pair}
        for seed in by_seed
        for features in audit.extractors
        for pair in found[seed][features]["pairs"]
    ]
    write_sheet(params, generator_name, pair_sheet(pairs, audit.synthetic, audit.training, audit.held_out))
    content = {"generator": generator_name, "privacy": privacy_summary(by_seed, audit.alpha), "seeds": by_seed}
    write_report_json(layout.audit(generator_name), content)


class GeneratorAudit:
    """All frames, feature spaces and tests of one generator's audit.

    Attributes:
        extractors, tests: by name, as the study names them.
        training: what the generator learnt from.
        held_out: frames of patients that no generator saw.
        synthetic: seed -> its frames, `audit.frames` at most.
    """

    def __init__(self, params: Params, name: str) -> None:
        self._params, self._name = params, name
        self.extractors = {
            kind: create(FeatureExtractor, kind, options, entry=f"audit.features.{kind}")
            for kind, options in params.audit.features.items()
        }
        self.tests = {
            kind: create(AuditTest, kind, options, entry=f"audit.metrics.{kind}")
            for kind, options in params.audit.metrics.items()
        }
        self.training, self.held_out = generator_frames(params, name), read_frames(layout.cohort(params.audit.held_out))
        limit = params.audit.frames
        seeds = params.generators[name].seeds
        self.synthetic = {seed: read_frames(layout.synthetic(name, seed), limit=limit) for seed in seeds}
        needed = any(one.needs_network for one in self.extractors.values())
        self._encode = network_encoder(params) if needed else None
        self._spaces: dict[str, FeatureSpace] = {}

    def examine(self, features: str, seed: int) -> dict[str, Any]:
        """`results` of every test on a seed's frames, and its nearest `pairs`, in one feature space."""
        space = self._spaces.setdefault(
            features, FeatureSpace(self.extractors[features], self._encode, self.training, self.held_out)
        )
        # Named by the generator alone: all its seeds and feature spaces are tried on the same copies.
        sets = space.sets(self.synthetic[seed], child_rng(self._params.seed, "audit", self._name, "copies"))
        results = {metric: self._measure(metric, features, seed, sets) for metric in self.tests}
        return {"results": results, "pairs": nearest_pairs(sets.matches, self.training, self.held_out)}

    @property
    def alpha(self) -> float:
        """False alarms of one test with a verdict, of all that this generator has."""
        tests = sum(isinstance(test, PrivacyTest) for test in self.tests.values())
        spaces = sum(self._stranger(features) for features in self.extractors)
        return FALSE_ALARMS / max(1, tests * spaces * len(self.synthetic))

    def _measure(self, metric: str, features: str, seed: int, sets: Sets) -> dict[str, Any]:
        test = self.tests[metric]
        if isinstance(test, PrivacyTest) and not self._stranger(features):
            return test.undefined(
                f"the network of arm '{self._params.audit.network}' learnt from the patients compared"
            )
        rng = child_rng(self._params.seed, "audit", self._name, seed, features, metric)
        return test.measure(sets, rng, self.alpha)

    def _stranger(self, features: str) -> bool:
        """Whether these features come from no network, or from one that knows neither set of real frames.

        A network keeps what it learnt from apart from what it did not: it would see a difference between training and
        held-out patients that no generator made.
        """
        params = self._params
        if not self.extractors[features].needs_network or params.audit.network is None:
            return True
        learnt_from = arm_named(params, params.audit.network).cohort
        return learnt_from not in (params.generators[self._name].cohort, params.audit.held_out)


class FeatureSpace:
    """Frames as one extractor sees them; those of real frames are made once for all seeds, when first asked for.

    Args:
        extractor: makes the features.
        encode: the study's network, where the extractor needs one.
        training: what the generator learnt from.
        held_out: frames of patients that no generator saw.
    """

    def __init__(self, extractor: FeatureExtractor, encode: Encode | None, training: Frames, held_out: Frames) -> None:
        self._extractor, self._encode = extractor, encode
        self._training, self._held_out = training, held_out

    def sets(self, synthetic: Frames, rng: np.random.Generator) -> Sets:
        """Features of synthetic frames beside those of the real ones.

        Args:
            rng: makes the copies of training frames that tell what would be found.
        """
        training, held_out = self._real
        patients, others = (frames.table["subject_id"].to_numpy() for frames in (self._training, self._held_out))
        planted = {kind: self._queries(images) for kind, images in self._copies(synthetic, rng).items()}
        search = Search(self._queries(synthetic.images), self._targets[0], self._targets[1], planted)
        features = self._extractor.extract(synthetic.images, self._encode)
        return Sets(features, training, held_out, patients, others, search)

    def _queries(self, images: Pairs) -> Queries:
        def variants(rows: slice) -> Iterator[NDArray[np.floating]]:
            return self._extractor.queries(images[rows], self._encode)

        return Queries(len(images), variants)

    def _copies(self, synthetic: Frames, rng: np.random.Generator) -> dict[str, Pairs]:
        """Kind -> copies of random training frames; blends are with generated frames of the same view, if any."""
        rows = rng.integers(0, len(self._training), _PLANTED)
        views = np.array(synthetic.views)
        partners = []
        for view in np.array(self._training.views)[rows]:
            alike = np.flatnonzero(views == view)
            partners.append(int(rng.choice(alike)) if len(alike) else int(rng.integers(0, len(views))))
        return {kind: copies(self._training.images[rows], synthetic.images[partners], kind, rng) for kind in KINDS}

    @cached_property
    def _real(self) -> list[NDArray[np.float64]]:
        return [self._extractor.extract(frames.images, self._encode) for frames in (self._training, self._held_out)]

    @cached_property
    def _targets(self) -> list[NDArray[np.floating]]:
        return [self._extractor.targets(frames.images, self._encode) for frames in (self._training, self._held_out)]


def network_encoder(params: Params) -> NetworkEncoder:
    """The first network of the arm `audit.network`, on the device of `compute.accelerator`.

    Raises:
        UserError: `audit.network` is null, its network is missing or damaged, or a GPU is asked for and not there.
    """
    from augbench.training.augment import normalise

    if params.audit.network is None:
        raise UserError(
            "the audit's features need a network, and none is named",
            got="audit.network: null",
            expected=f"an arm without a generator: {', '.join(params.arms.patients) or 'there is none'}",
            remedy="name one in audit.network, or leave such features out of audit.features",
            file=PARAMS_FILE,
        )
    arm = arm_named(params, params.audit.network)
    network, _ = load_network(arm, arm.runs[0])
    segmenter = create(Segmenter, arm.segmenter, arm.segmenter_options, entry=f"{arm.entry}.segmenter")
    return NetworkEncoder(network, segmenter.encode, normalise, torch_device(params.compute.accelerator))
