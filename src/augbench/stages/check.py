"""Every component that params.yaml names is created once, so that a mistake ends the run before any work is done."""

from __future__ import annotations

import numpy as np

from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import PARAMS_FILE, Params


def check_components(params: Params, *, build: bool = True) -> None:
    """Validate every component section.

    Args:
        build: also build the segmentation network, which imports torch (seconds).

    Raises:
        UserError: the first unknown component or wrong parameter.
    """
    for family, sections in (
        ("datasets", params.datasets),
        ("generators", params.generators),
        ("segmenters", params.segmenters),
        ("scores", params.evaluation.metrics),
        ("audit", params.audit.metrics),
        ("audit.features", params.audit.features),
    ):
        for name, section in sections.items():
            create(family, name, section)
    create("labelling", params.labelling)
    _require_fitting_metrics(params)
    _require_drawing(params)
    if build:
        segmenter = create("segmenters", params.segmenter, params.segmenters[params.segmenter])
        segmenter.build(2, params.image_size)


def _require_drawing(params: Params) -> None:
    """A control that draws fresh subjects would otherwise fail only after the cohorts are made."""
    for name, section in params.generators.items():
        if create("generators", name, section).draws_subjects:
            dataset = create("datasets", params.dataset, params.datasets[params.dataset])
            dataset.draw(params.views[:1], np.zeros(1, np.int64), params.image_size)


def _require_fitting_metrics(params: Params) -> None:
    """A score of masks and a distance between sets of frames are both metrics, but not in each other's place."""
    from augbench.scores.base import SegmentationMetric

    for place, sections, scores_masks in (
        ("evaluation.metrics", params.evaluation.metrics, True),
        ("audit.metrics", params.audit.metrics, False),
    ):
        for name, section in sections.items():
            if isinstance(create("metrics", name, section), SegmentationMetric) != scores_masks:
                raise UserError(
                    f"metric '{name}' does not belong in {place}",
                    got=name,
                    expected="scores of masks in evaluation.metrics, distances between sets of frames in audit.metrics",
                    remedy=f"move '{name}' to the other section",
                    file=PARAMS_FILE,
                )
    if "dice" not in params.evaluation.metrics:
        raise UserError(
            "evaluation.metrics has no dice",
            got=", ".join(params.evaluation.metrics) or "no metric",
            expected="dice: the verdicts and targets of the report rest on it",
            remedy="add `dice: {}` to evaluation.metrics",
            file=PARAMS_FILE,
        )
