"""Part of train_generator and sample: a generator of params.yaml, fitted or not."""

from __future__ import annotations

from augbench.core import layout
from augbench.core.artifacts import load_weights
from augbench.core.component import create
from augbench.core.params import Params
from augbench.datasets.base import Dataset
from augbench.generators.base import Draw, FittedGenerator, Generator
from augbench.runtime.fingerprint import Inputs

#: Tensors of a fitted generator with its configuration, in its folder.
WEIGHTS = "generator.safetensors"


def generator_of(params: Params, name: str) -> Generator:
    """The component of an entry of `generators`."""
    entry = params.generators[name]
    return create(Generator, entry.kind, entry.options, entry=f"generators.{name}")


def load_generator(params: Params, name: str, seed: int) -> FittedGenerator:
    """A fitted generator, ready to sample on `compute.accelerator`."""
    tensors, config = load_weights(layout.generator(name, seed) / WEIGHTS)
    generator = generator_of(params, name)
    return generator.restore(tensors, config, accelerator=params.compute.accelerator, draw=fresh_draw(params))


def generator_inputs(params: Params, name: str, narrowed: dict[str, str] | None = None) -> Inputs:
    """The dataset's own code and parameters decide the bytes of generators that draw from it, and of no other."""
    return Inputs(narrowed or {}, dataset=generator_of(params, name).draws_subjects)


def fresh_draw(params: Params) -> Draw | None:
    """Fresh frames of fresh subjects from the dataset behind the cohorts, where it can draw them."""
    dataset = create(Dataset, params.dataset.kind, params.dataset.options, entry="dataset")
    return dataset.draw if dataset.can_draw else None
