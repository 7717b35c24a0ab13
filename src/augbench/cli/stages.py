"""The stages of dvc.yaml as commands: DVC calls them, users rarely do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from augbench.cli.options import add

if TYPE_CHECKING:
    from augbench.core.params import Params

PANEL = "Pipeline stages (dvc repro calls them)"

Generator = Annotated[str, typer.Argument(help="A generator: a key of `generators` in params.yaml.")]
Seed = Annotated[int | None, typer.Option(help="Make this seed's part only; default: every seed of the generator.")]


def add_stages(app: typer.Typer) -> None:
    """Add a command per stage."""
    add(app, PANEL, prepare, train_generator, sample, label, audit, train_segmenter, develop, evaluate, compare)


def prepare() -> None:
    """Draw or import the cohorts and split them by patient."""
    from augbench.stages import prepare as stage

    run_stage("prepare", stage.run)


def train_generator(name: Generator, seed: Seed = None) -> None:
    """Fit a generator of images with their masks, once for each of its seeds."""
    from augbench.stages import train_generator as stage

    run_stage(_named("train_generator", name, seed), lambda params: stage.run(params, name, seed), threaded=True)


def sample(name: Generator, seed: Seed = None) -> None:
    """Make synthetic images and masks with a fitted generator."""
    from augbench.stages import sample as stage

    run_stage(_named("sample", name, seed), lambda params: stage.run(params, name, seed), threaded=True)


def label(
    name: Annotated[str, typer.Argument(help="A key of `labelling` in params.yaml.")],
    seed: Seed = None,
) -> None:
    """Give images of a generator or of a cohort other masks: a network's, or those that people drew."""
    from augbench.stages import label as stage

    run_stage(_named("label", name, seed), lambda params: stage.run(params, name, seed), threaded=True)


def audit(name: Generator) -> None:
    """Measure how true to life and how private a generator's images are."""
    from augbench.stages import audit as stage

    run_stage(f"audit@{name}", lambda params: stage.run(params, name), threaded=True)


def train_segmenter(
    arm: Annotated[str, typer.Argument(help="An arm: a key of `arms.patients` or `arms.generated` in params.yaml.")],
    run: Annotated[
        str | None,
        typer.Option(help="Make this run only: SEED, or GENERATOR_SEED-SEED in an arm with a generator; default: all."),
    ] = None,
) -> None:
    """Train the segmentation networks of an arm, once for each of its runs."""
    from augbench.stages import train_segmenter as stage

    def train(params: Params) -> None:
        stage.run(params, arm, run)

    def name(params: Params) -> str:
        family = "train_segmenter_generated" if arm in params.arms.generated else "train_segmenter"
        return _named(family, arm, run)

    run_stage(name, train, threaded=True)


def develop(
    cohort: Annotated[str, typer.Argument(help="A cohort of `evaluation.development` in params.yaml.")],
) -> None:
    """Score every network on a cohort on which choices are made; the external test set stays unseen."""
    from augbench.stages import develop as stage

    run_stage(f"develop@{cohort}", lambda params: stage.run(params, cohort), threaded=True)


def evaluate() -> None:
    """Score every network on the external test set."""
    from augbench.stages import evaluate as stage

    run_stage("evaluate", stage.run, threaded=True)


def compare() -> None:
    """Compare every arm with the reference arm: differences, intervals, tests, verdicts."""
    from augbench.stages import compare as stage

    run_stage("compare", stage.run)


def _named(family: str, entry: str, part: object = None) -> str:
    """Name of a stage, or of one part of it: a stage and another process that makes a part run side by side."""
    return f"{family}@{entry}" if part is None else f"{family}@{entry}+{part}"


def run_stage(name: str | Callable[[Params], str], run: Callable[[Params], None], *, threaded: bool = False) -> None:
    """Read params.yaml, run one stage, note what it cost.

    Args:
        name: of the stage as DVC has it; a part's name ends in `+PART`.
        threaded: whether it computes with torch.
    """
    from augbench.core.params import read_params
    from augbench.runtime import interrupt
    from augbench.runtime.leftovers import remove_temporaries
    from augbench.runtime.provenance import recorded
    from augbench.runtime.running import registered
    from augbench.stages.installed import require_recorded_version

    interrupt.install()
    params = read_params()
    require_recorded_version()
    stage = name if isinstance(name, str) else name(params)
    remove_temporaries()
    if threaded:
        from augbench.core.compute import configure

        configure(params.compute)
    if "+" in stage:  # `Parts` registers and records what it makes
        run(params)
        return
    with registered(stage), recorded(stage):
        run(params)
