"""audit: a generator's synthetic frames against real ones -> fidelity and privacy, for every seed and feature space."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augbench.audit.base import AuditTest, Sets
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
from augbench.stages.sheets import write_sheet
from augbench.stages.train_generator import generator_frames
from augbench.stages.train_segmenter import load_network


def run(params: Params, generator_name: str) -> None:
    """Audit every seed of a generator, write reports/audit/<generator>.json and some frames for the report to draw.

    Raises:
        UserError: there is no such generator, a set of frames is missing, damaged or too small, or no network is named
            and the features need one.
    """
    require_generator(params, generator_name)
    seeds = params.generators[generator_name].seeds
    extractors = {name: create(FeatureExtractor, name, options) for name, options in params.audit.features.items()}
    tests = {name: create(AuditTest, name, options) for name, options in params.audit.metrics.items()}
    encode = network_encoder(params) if any(one.needs_network for one in extractors.values()) else None
    training, held_out = generator_frames(params, generator_name), read_frames(layout.cohort(params.audit.held_out))
    limit = params.audit.frames
    synthetic = {seed: read_frames(layout.synthetic(generator_name, seed), limit=limit).images for seed in seeds}
    with checkpoints_of(params, f"audit@{generator_name}") as checkpoints:
        latest = None if checkpoints is None else checkpoints.latest()
        found: dict[str, Any] = {} if latest is None else latest.state
        done = 0 if latest is None else latest.step
        for features, extractor in extractors.items():
            space = FeatureSpace(extractor, encode, training, held_out)
            for seed, images in synthetic.items():
                results = found.setdefault(str(seed), {})
                sets = None
                for metric, test in tests.items():
                    if features in results.setdefault(metric, {}):
                        continue
                    sets = sets or space.sets(images)
                    rng = child_rng(params.seed, "audit", generator_name, seed, features, metric)
                    results[metric][features] = test.measure(sets, rng)
                    done += 1
                    if checkpoints is not None and checkpoints.due():
                        checkpoints.save(done, {}, found)
    write_sheet(params, generator_name)
    by_seed = {str(seed): found[str(seed)] for seed in seeds}
    write_report_json(layout.audit(generator_name), {"generator": generator_name, "seeds": by_seed})


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

    def sets(self, synthetic: Pairs) -> Sets:
        """Features of 8-bit synthetic images (n, H, W) beside those of the real frames."""
        training, held_out = self._real
        subjects = [frames.table["subject_id"].to_numpy() for frames in (self._training, self._held_out)]
        return Sets(self._extractor.extract(synthetic, self._encode), training, held_out, *subjects)

    @cached_property
    def _real(self) -> list[NDArray[np.float64]]:
        return [self._extractor.extract(frames.images, self._encode) for frames in (self._training, self._held_out)]


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
    segmenter = create(Segmenter, arm.segmenter, arm.segmenter_options)
    return NetworkEncoder(network, segmenter.encode, normalise, torch_device(params.compute.accelerator))
