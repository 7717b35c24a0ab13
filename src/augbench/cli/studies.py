"""The user's commands about studies: list, make, check, plan and run them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from augbench.cli.options import EveryNumber, Settings, Study, add

PANEL = "Studies"


#: Studies that the package carries.
_OWN = sorted(folder.name for folder in (Path(__file__).parent.parent / "templates/studies").iterdir())


def add_studies(app: typer.Typer) -> None:
    """Add a command each."""
    add(app, PANEL, studies, new, check, plan, preregister, repro, dag, inspect, export_frames, clean)


def studies(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the studies of this repository: what each asks, whether its results are up to date, and what it found.

    Times are those of the last run. A study marked "try" was made by `augbench repro --set`.
    """
    from augbench.stages.studies import run

    run(as_json=as_json)


def new(
    name: Annotated[str, typer.Argument(help="Name of the study; it is written to studies/NAME.")],
    like: Annotated[
        str,
        typer.Option(
            metavar="STUDY",
            help=f"Study to start from: one of this repository ('.' is the root's), or {', '.join(_OWN)}.",
        ),
    ],
    settings: Settings = None,
) -> None:
    """Write a study like another one, with some values changed. Nothing that exists is ever overwritten.

    In a checkout of augbench the study uses the checkout's dvc.yaml and source. In any other git repository it gets a
    dvc.yaml of its own, whose stages depend on the file augbench.version: the versions of augbench, and of packages
    that add components to it, with which the study was made. With another version installed its stages refuse to run.
    A study cannot be upgraded, since its results belong to its version: install that version again, or make a new
    study like it for the installed one. If the repository has no DVC yet, it is initialised.

    [bold]augbench new mine --like smoke[/bold]

    [bold]augbench new short --like . --set training.steps=100 --set seed=7[/bold]
    """
    from augbench.stages.new import write_study

    written = write_study(name, like, settings or [])
    for note in written.notes:
        typer.echo(note)
    typer.echo(f"wrote {_shown(written.folder)}; describe it in its study.yaml, then run it with:")
    typer.echo(f"augbench repro --study {_shown(written.folder)}")


def check(
    study: Study = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Stages at the same time, for the estimate.")] = 1,
) -> None:
    """Validate a study and estimate what it needs, without running it.

    Builds every generator, segmenter, regime, score and audit at the study's size, looks for the device, and estimates
    memory, disk and time. The time comes from a few real training steps on this machine, so this takes some seconds.
    """
    from augbench.stages.check import report_on_study

    for line in report_on_study(jobs):
        typer.echo(line)


def plan(
    core_minutes: Annotated[
        float | None,
        typer.Option("--core-minutes", min=0.1, help="Budget of the whole study; default: what it costs as it is."),
    ] = None,
    patients: Annotated[
        int | None, typer.Option(min=6, help="Exactly so many external patients; default: as many as now.")
    ] = None,
    max_patients: Annotated[
        int | None, typer.Option("--max-patients", min=6, help="At most so many, as far as the budget goes.")
    ] = None,
    generator_sd: Annotated[
        float | None,
        typer.Option(
            "--generator-sd", min=0, help="SD of a generator seed's effect on the mean, in place of what was found."
        ),
    ] = None,
    as_json: EveryNumber = False,
    study: Study = None,
) -> None:
    """Find the numbers of seeds and patients that decide the primary endpoint best for a budget.

    Reads the results of a finished study or of a pilot: how much patients, generator seeds, segmenter seeds and single
    trainings vary, and what each of them costs. Shows the best designs beside the present one, the width of the 95%
    interval to expect, which margin and which difference would be decided, and what limits the decision.

    [bold]augbench plan --core-minutes 130 --max-patients 100[/bold]

    [bold]augbench plan --study studies/pilot --json[/bold]
    """
    from augbench.stages.plan import run

    run(
        core_minutes=core_minutes,
        patients=patients,
        max_patients=max_patients,
        generator_sd=generator_sd,
        as_json=as_json,
    )


def preregister(study: Study = None) -> None:
    """Fix endpoint, margins, arms, seeds, design and targets before the external patients are scored.

    Writes reports/preregistration.json with a hash of all of them, the date and the git revision; commit it. The report
    then shows the hash, both dates, and what has changed since. Refused once external scores exist; a registration is
    never overwritten.
    """
    from augbench.stages.preregister import run

    run()


def repro(
    targets: Annotated[list[str] | None, typer.Argument(help="Stages to bring up to date; default: all.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Stages to run at the same time.")] = 1,
    settings: Settings = None,
    study: Study = None,
) -> None:
    """Run what is out of date, several independent stages at a time.

    Plain `dvc repro` gives the same bytes, one stage at a time.

    With --set, a throw-away study runs instead, and no file of this one changes: it is written to
    studies/try-STUDY-DIGEST, where the digest stands for all its parameters. Repeating the command resumes in the same
    folder. To get rid of it, delete the folder; `dvc gc`
    frees what it left in DVC's cache.

    [bold]augbench repro --jobs 2[/bold]

    [bold]augbench repro --study studies/smoke --set training.steps=1000[/bold]
    """
    from augbench.stages.repro import run

    if settings:
        from augbench.stages.new import write_try
        from augbench.stages.places import enter

        written = write_try(settings)
        for note in [f"running {_shown(written.folder)}", *written.notes]:
            typer.echo(note)
        enter(written.folder)
    from augbench.stages.installed import require_recorded_version

    require_recorded_version()
    run(targets or [], jobs)


def dag(
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid diagram, for Markdown pages.")] = False,
    study: Study = None,
) -> None:
    """Show the stages of a study, by kind, with their entries and what each reads."""
    from augbench.stages.dag import run

    run(mermaid=mermaid)


def inspect(study: Study = None) -> None:
    """Show what the study's dataset holds and how the study divides it into cohorts, without writing anything."""
    from augbench.stages.inspect import run

    run()


def export_frames(
    name: Annotated[str, typer.Argument(help="A key of `labelling` in params.yaml, of kind manual.")],
    seed: Annotated[int, typer.Argument(help="A seed of its generator.")],
    study: Study = None,
) -> None:
    """Write the frames of a manual labelling to a folder where people annotate them."""
    from augbench.core.params import read_params
    from augbench.stages.export_frames import run

    typer.echo(f"wrote {run(read_params(), name, seed)}; put the masks into its labelsTr and run: augbench repro")


def clean(
    checkpoints: Annotated[bool, typer.Option("--checkpoints", help="Checkpoints that no stage needs.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    study: Study = None,
) -> None:
    """Show what interrupted stages saved, with sizes, and remove what is no longer needed."""
    from augbench.core.params import read_params
    from augbench.stages.clean import remove, survey, table

    found = survey(read_params())
    typer.echo(table(found))
    unneeded = [entry for entry in found if entry.reason]
    if unneeded and (yes or typer.confirm(f"Remove the {len(unneeded)} that are not needed?")):
        remove(unneeded)


def _shown(folder: object) -> str:
    """A folder as seen from here."""
    import os

    return os.path.relpath(str(folder))
