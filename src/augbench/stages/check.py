"""Everything that params.yaml names is created once, so that a mistake ends the run before any work is done."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence

from augbench.core.arms import Arm, arms_of
from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.layout import STUDY
from augbench.core.params import PARAMS_FILE, Params
from augbench.core.study import Study, Target
from augbench.datasets.base import Dataset
from augbench.generators.base import Generator
from augbench.labelling.base import Labelling
from augbench.regimes.base import Regime
from augbench.segmenters.base import Segmenter


def report_on_study(jobs: int) -> list[str]:
    """Check the study in the present folder and the machine; what there is and what it takes, in lines.

    Raises:
        UserError: the first mistake, or what the machine lacks.
    """
    from augbench.core.params import read_params
    from augbench.core.study import read_study
    from augbench.stages.duration import duration
    from augbench.stages.preflight import require_room

    params, study = read_params(), read_study()
    _require_known_arms(params, study.targets)
    _require_judgeable(params, study.targets)
    check_components(params)
    require_known_names(params, study)
    need = require_room(params, jobs=jobs)
    arms = arms_of(params)
    trainings = sum(len(arm.runs) for arm in arms)
    fits = sum(len(entry.seeds) for entry in params.generators.values())
    return [
        f"valid: {_count(len(arms), 'arm')} with {_count(trainings, 'training')} of a segmenter, "
        f"{_count(len(params.generators), 'generator')} with {_count(fits, 'fit')}",
        f"estimate: {need}",
        f"estimate: {duration(params, jobs)} with --jobs {jobs}, from a few training steps on this machine",
    ]


def check_components(params: Params, *, build: bool = True) -> None:
    """Create every component.

    Args:
        build: also look at the dataset's views, and build networks at the study's size (seconds: imports torch).

    Raises:
        UserError: the first unknown component or wrong parameter, or one that does not fit the others.
    """
    dataset = create(Dataset, params.dataset.kind, params.dataset.options, entry="dataset")
    generators = {
        name: create(Generator, entry.kind, entry.options, entry=f"generators.{name}")
        for name, entry in params.generators.items()
    }
    for name, entry in params.segmenters.items():
        create(Segmenter, entry.kind, entry.options, entry=f"segmenters.{name}")
    for name, labelling in params.labelling.items():
        create(Labelling, labelling.kind, labelling.options, entry=f"labelling.{name}")
    _check_scores(params)
    _check_audit(params)
    for arm in arms_of(params):
        _check_regime(arm, create(Regime, arm.regime, arm.regime_options, entry=f"{arm.entry}.regime"))
    segmenters = distinct_segmenters(params)
    _check_opponents({arm.name: arm for arm in arms_of(params)})
    _check_validation(params, dataset)
    for name, generator in generators.items():
        _check_drawing(name, generator, dataset)
    if build:
        classes = dataset.scheme(tuple(params.views)).classes
        for generator in generators.values():
            generator.require(params.image_size, classes, len(params.views))
        for segmenter in segmenters.values():
            segmenter.build(classes, params.image_size)


def distinct_segmenters(params: Params) -> dict[str, Segmenter]:
    """Every network that some arm trains, once, by its kind and options."""
    return {
        segmenter_key(arm): create(Segmenter, arm.segmenter, arm.segmenter_options, entry=f"{arm.entry}.segmenter")
        for arm in arms_of(params)
    }


def segmenter_key(arm: Arm) -> str:
    """What tells two segmenters of a study apart: kind and options."""
    return f"{arm.segmenter} {json.dumps(arm.segmenter_options, sort_keys=True)}"


def _check_scores(params: Params) -> None:
    from augbench.scores.base import SegmentationScore

    for name, options in params.evaluation.metrics.items():
        create(SegmentationScore, name, options, entry=f"evaluation.metrics.{name}")


def _check_audit(params: Params) -> None:
    from augbench.audit.base import AuditTest
    from augbench.audit.features.base import FeatureExtractor

    for name, options in params.audit.metrics.items():
        create(AuditTest, name, options, entry=f"audit.metrics.{name}")
    for name, options in params.audit.features.items():
        features = create(FeatureExtractor, name, options, entry=f"audit.features.{name}")
        if features.needs_network and params.audit.network is None:
            raise UserError(
                f"the features '{name}' need a network, and audit.network names none",
                got="audit.network: null",
                expected=f"an arm without a generator: {', '.join(params.arms.patients)}",
                remedy=f"name an arm in audit.network, or remove '{name}' from audit.features",
                file=PARAMS_FILE,
            )


def _check_regime(arm: Arm, regime: Regime) -> None:
    """An arm has synthetic frames exactly if its regime uses them."""
    if regime.needs_synthetic == (arm.synthetic is not None):
        return
    has, place = ("no synthetic frames", "generated") if regime.needs_synthetic else ("synthetic frames", "patients")
    raise UserError(
        f"arm '{arm.name}' has {has}, which its regime '{arm.regime}' does not fit",
        got=f"regime: {arm.regime}",
        expected="a regime with synthetic frames in arms.generated, one without in arms.patients",
        remedy=f"move the arm to arms.{place}, or choose another regime",
        file=PARAMS_FILE,
    )


def _check_opponents(arms: Mapping[str, Arm]) -> None:
    """Arms that are compared differ in their network or in what it learns from: of both, no row could tell which."""
    for arm in arms.values():
        if not arm.against:
            continue
        other = arms[arm.against]
        if segmenter_key(arm) != segmenter_key(other) and _learns(arm) != _learns(other):
            raise UserError(
                f"arm '{arm.name}' differs from '{other.name}', which it is compared with, in its network and in its "
                "frames",
                got=f"segmenter {segmenter_key(arm)}",
                expected=f"the segmenter of '{other.name}', or in 'against' an arm of arms.patients with its own",
                remedy=f"add an arm like '{other.name}' with this segmenter to arms.patients, and name it in "
                f"arms.{arm.name}.against",
                file=PARAMS_FILE,
            )


def _learns(arm: Arm) -> tuple[object, ...]:
    """What an arm learns from."""
    return arm.cohort, arm.regime, arm.regime_options, arm.synthetic, arm.augmented


def _check_validation(params: Params, dataset: Dataset) -> None:
    """Weights can be selected by validation patients only where a cohort sets some apart."""
    if params.training.selection != "best":
        return
    for arm in arms_of(params):
        if not dataset.declared[arm.cohort].validation_fraction:
            raise UserError(
                "training.selection is 'best', but a cohort has no validation patients",
                got=f"arm '{arm.name}' with cohort '{arm.cohort}'",
                expected="a validation_fraction above 0",
                remedy=f"set dataset.cohorts.{arm.cohort}.validation_fraction, or training.selection to last",
                file=PARAMS_FILE,
            )


def _check_drawing(name: str, generator: Generator, dataset: Dataset) -> None:
    """A generator that draws fresh subjects would otherwise fail only after the cohorts are made."""
    if generator.draws_subjects and not dataset.can_draw:
        raise UserError(
            f"generator '{name}' draws fresh patients, which this dataset cannot",
            got="a dataset of real images",
            expected="a dataset that is drawn",
            remedy=f"remove '{name}' from generators, and the arms that use it",
            file=PARAMS_FILE,
        )


def _require_judgeable(params: Params, targets: Sequence[Target]) -> None:
    """Targets that always hold, or that nothing in the study could judge."""
    audited = [arm.name for arm in arms_of(params) if arm.generator is not None]
    for target in targets:
        limits = f"at_least: {target.at_least}, at_most: {target.at_most}"
        if target.kind in ("flagged", "not flagged") and target.arm not in audited:
            raise _target(target, "no audit", target.arm, "an arm with a generator: " + ", ".join(audited))
        if target.kind == "interval" and (target.at_least is not None or not target.at_most or target.at_most < 0):
            raise _target(target, "no width to miss", limits, "at_most above 0 alone: a width is wanted small")
        if target.kind == "ratio" and any(
            limit is not None and limit <= 0 for limit in (target.at_least, target.at_most)
        ):
            raise _target(target, "a limit that every ratio keeps", limits, "limits above 0")


def _target(target: Target, has: str, got: object, expected: str) -> UserError:
    return UserError(
        f"target '{target.name}' has {has}",
        got=got,
        expected=expected,
        remedy="correct the target, or remove it",
        file=STUDY,
    )


def _require_known_arms(params: Params, targets: Sequence[Target]) -> None:
    """A target that refers to an unknown arm would be found out only by the report."""
    known = sorted(arm.name for arm in arms_of(params))
    for target in targets:
        unknown = sorted({target.arm, *target.others}.difference(known))
        if unknown:
            raise UserError(
                f"target '{target.name}' refers to an unknown arm",
                got=unknown[0],
                expected=", ".join(known),
                remedy="correct the target, or remove it",
                file="study.yaml",
            )


def require_known_names(params: Params, study: Study) -> None:
    """A misspelt display name, colour or floor would change nothing, silently.

    A name that is like none of the study's stays: it is left from a study with more views or arms, and does no harm.

    Raises:
        UserError: the first key that is nearly a view, structure, arm or cohort of the study, or a floor of nothing.
    """
    dataset = create(Dataset, params.dataset.kind, params.dataset.options, entry="dataset")
    structures = dataset.scheme(tuple(params.views)).structures
    arms = [arm.name for arm in arms_of(params)]
    for key, given, known, file in (
        ("names.views", study.names.views, params.views, STUDY),
        ("names.structures", study.names.structures, structures, STUDY),
        ("names.arms", study.names.arms, arms, STUDY),
        ("names.cohorts", study.names.cohorts, list(params.dataset.cohorts), STUDY),
        ("colours", study.colours, structures, STUDY),
        ("gate.floors", params.gate.floors, structures, PARAMS_FILE),
    ):
        lacking = [name for name in known if name not in given]
        for name in [name for name in given if name not in known]:
            near = difflib.get_close_matches(name, lacking, n=1)
            if not near and key != "gate.floors":
                continue
            raise UserError(
                f"'{key}' names something that is not in the study: '{name}'",
                got=name,
                expected=", ".join(known),
                remedy=f"did you mean '{near[0]}'?" if near else "correct the name, or remove the line",
                file=file,
            )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
