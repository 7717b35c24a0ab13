"""A network trained on patients of another cohort labels the images: what a site can do with images without masks."""

from __future__ import annotations

from augbench.labelling._network import NetworkLabelling


class Pseudo(NetworkLabelling):
    """The network of any arm that trains on real frames alone."""


COMPONENT = Pseudo
