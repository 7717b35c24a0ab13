"""Every component that params.yaml names is created once, so that a mistake ends the run before any work is done."""

from __future__ import annotations

from augbench.core.component import create
from augbench.core.params import Params


def check_components(params: Params) -> None:
    """Validate every component section.

    Raises:
        UserError: the first unknown component or wrong parameter.
    """
    for family, sections in (
        ("datasets", params.datasets),
        ("generators", params.generators),
        ("segmenters", params.segmenters),
        ("metrics", params.evaluation.metrics),
        ("metrics", params.audit.metrics),
        ("features", params.audit.features),
    ):
        for name, section in sections.items():
            create(family, name, section)
    create("labelling", params.labelling)
    segmenter = create("segmenters", params.segmenter, params.segmenters[params.segmenter])
    segmenter.build(2, params.image_size)
