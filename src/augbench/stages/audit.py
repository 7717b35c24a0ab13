"""audit: synthetic frames against real ones -> fidelity and privacy, each number with its feature extractor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augbench.audit.base import Estimate, FidelityMetric
from augbench.core import layout
from augbench.core.component import create
from augbench.core.params import Params
from augbench.core.reports import write_report_json
from augbench.core.runs import Run
from augbench.core.seeding import child_rng
from augbench.core.shards import read_frames
from augbench.core.types import Frames, Pairs
from augbench.runtime.fingerprint import checkpoints_of
from augbench.stages.train_generator import generator_frames
from augbench.stages.train_segmenter import load_network

#: Halves of the training patients against each other: what a distance is when nothing differs but the draw.
FLOOR = "floor"


def run(params: Params, name: str, seed: int) -> None:
    synthetic = read_frames(layout.synthetic(name, seed), limit=params.audit.frames)
    training = generator_frames(params)
    held_out = read_frames(layout.cohort("internal"))
    encode = segmenter_features(params)
    with checkpoints_of(params, layout.audit(name, seed)) as checkpoints:
        latest = None if checkpoints is None else checkpoints.latest()
        found: dict[str, Any] = {} if latest is None else latest.state
        for feature, options in params.audit.features.items():
            extractor = create("audit.features", feature, options)

            def extract(frames: Frames, extractor: Any = extractor) -> NDArray[np.float64]:
                return extractor.extract(frames.images, encode)

            for metric, metric_options in params.audit.metrics.items():
                if feature in found.setdefault(metric, {}):
                    continue
                measure = create("audit", metric, metric_options)
                rng = child_rng(params.seed, "audit", name, seed, feature, metric)
                if isinstance(measure, FidelityMetric):
                    result = _fidelity(measure, extract, synthetic, training, held_out, rng)
                else:
                    result = _privacy(measure, extract, synthetic, training, held_out)
                found[metric][feature] = result
                if checkpoints is not None and checkpoints.due():
                    checkpoints.save(sum(map(len, found.values())), {}, found)
    write_report_json(layout.audit(name, seed), {"generator": name, "seed": seed, **found})


def _fidelity(
    measure: FidelityMetric,
    extract: Callable[[Frames], NDArray[np.float64]],
    synthetic: Frames,
    training: Frames,
    held_out: Frames,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Distance to held-out patients: a copy of the training frames earns no better value than fresh frames do."""
    subjects = held_out.table["subject_id"].to_numpy()
    distance = measure.estimate(extract(held_out), extract(synthetic), rng, subjects)
    # The floor at the same numbers of frames: real training frames in the place of the synthetic ones.
    real = training.take(rng.permutation(len(training))[: len(synthetic)])
    floor = measure.estimate(extract(held_out), extract(real), rng, subjects, real.table["subject_id"].to_numpy())
    return _shown(distance) | {FLOOR: _shown(floor)}


def _privacy(
    measure: Any,
    extract: Callable[[Frames], NDArray[np.float64]],
    synthetic: Frames,
    training: Frames,
    held_out: Frames,
) -> dict[str, Any]:
    subjects = held_out.table["subject_id"].to_numpy()
    found = measure.measure(extract(synthetic), extract(training), extract(held_out), subjects)
    names = ("ratio_of_medians", "fraction_suspicious", "chance", "p_memorised", "memorised", "p_closer")
    return {name: getattr(found, name) for name in names}


def _shown(estimate: Estimate) -> dict[str, float | int]:
    return {
        "value": estimate.value,
        "ci_low": estimate.ci_low,
        "ci_high": estimate.ci_high,
        "n_reference": estimate.n_reference,
        "n_sample": estimate.n_sample,
    }


def segmenter_features(params: Params) -> Callable[[Pairs], NDArray[np.float32]]:
    """The deepest features of the first real-only segmenter, as a function of 8-bit images (n, H, W)."""
    import torch

    from augbench.training.augment import normalise

    network, _ = load_network(params, Run("real", params.segmenter_seeds[0]))
    segmenter = create("segmenters", params.segmenter, params.segmenters[params.segmenter])

    def encode(images: Pairs) -> NDArray[np.float32]:
        with torch.inference_mode():
            parts = [segmenter.encode(network, normalise(images[at : at + 64])) for at in range(0, len(images), 64)]
            features: NDArray[np.float32] = torch.cat(parts).numpy()
        return features

    return encode
