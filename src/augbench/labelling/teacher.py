"""A network trained on the generator's own patients labels its images: nothing that the generator did not have."""

from __future__ import annotations

from augbench.labelling._network import NetworkLabelling


class Teacher(NetworkLabelling):
    """As `pseudo`; `core.labelling` refuses a network of other patients than the generator's."""


COMPONENT = Teacher
