"""What no single key of params.yaml can show: names that must exist, and data that must stay apart."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from augbench.core.errors import UserError

if TYPE_CHECKING:
    from augbench.core.params import ArmEntry, Params


def require_consistent(params: Params) -> None:
    """Raises UserError for the first contradiction between two parts of params.yaml."""
    _require_each_once(params)
    _require_cohorts(params)
    _require_arms(params)
    _require_external_apart(params)
    _require_metrics(params)


def arm_entries(params: Params) -> dict[str, ArmEntry]:
    """Arms of both groups by name, in declared order."""
    return {**params.arms.patients, **params.arms.generated}


def _arms_by_key(params: Params) -> dict[str, ArmEntry]:
    """Arms by where they stand in params.yaml."""
    groups: dict[str, Mapping[str, ArmEntry]] = {"patients": params.arms.patients, "generated": params.arms.generated}
    return {f"arms.{group}.{name}": entry for group, entries in groups.items() for name, entry in entries.items()}


def _require_each_once(params: Params) -> None:
    lists: dict[str, Iterable[object]] = {
        "views": params.views,
        "evaluation.development": params.evaluation.development,
    }
    lists |= {f"generators.{name}.seeds": entry.seeds for name, entry in params.generators.items()}
    lists |= {f"{key}.seeds": entry.seeds for key, entry in _arms_by_key(params).items()}
    for name, values in lists.items():
        given = list(values)
        if len(set(given)) != len(given):
            raise inconsistent(f"{name} lists a value twice", given, "each value once", f"correct '{name}'")
    folded = [view.casefold() for view in params.views]
    if len(set(folded)) != len(folded):
        raise inconsistent(
            "two views differ in upper and lower case alone", params.views, "distinct names", "rename one"
        )


def _require_cohorts(params: Params) -> None:
    named = {f"generators.{name}.cohort": entry.cohort for name, entry in params.generators.items()}
    named |= {f"{key}.cohort": entry.cohort for key, entry in _arms_by_key(params).items()}
    named |= {f"labelling.{name}.images": entry.cohort for name, entry in params.labelling.items() if entry.cohort}
    named |= {f"evaluation.development[{at}]": name for at, name in enumerate(params.evaluation.development)}
    named |= {"evaluation.external": params.evaluation.external, "audit.held_out": params.audit.held_out}
    for key, cohort in named.items():
        require_known(key, cohort, params.dataset.cohorts, "a cohort of dataset.cohorts")


def _require_arms(params: Params) -> None:
    twice = sorted(set(params.arms.patients) & set(params.arms.generated))
    if twice:
        raise inconsistent(f"two arms are called '{twice[0]}'", twice, "each name in one group", "rename one of them")
    sets = {**params.generators, **params.labelling}
    for name, arm in params.arms.generated.items():
        require_known(f"arms.generated.{name}.synthetic", arm.synthetic, sets, "a name in generators or labelling")
    entries = arm_entries(params)
    references = [name for name, entry in entries.items() if entry.role == "reference"]
    if len(references) != 1:
        raise inconsistent(
            "a study has one reference arm",
            f"{len(references)} arms of role 'reference'{': ' if references else ''}{', '.join(references)}",
            "exactly one",
            "correct the roles in 'arms'",
        )
    primary = params.comparison.primary.arm
    require_known("comparison.primary.arm", primary, entries, "an arm")
    if primary == references[0]:
        raise inconsistent(
            "the primary endpoint compares the reference arm with itself",
            primary,
            "another arm",
            "correct comparison.primary.arm",
        )
    if params.audit.network is not None:
        require_known("audit.network", params.audit.network, params.arms.patients, "an arm of arms.patients")
    _require_opponents(params, references[0])


def _require_opponents(params: Params, reference: str) -> None:
    """Whom an arm is compared with; that both may be compared is for `stages.check` to say, which knows networks."""
    entries = arm_entries(params)
    for name in (reference, params.comparison.primary.arm):
        if entries[name].against is not None:
            raise inconsistent(
                f"arm '{name}' names an arm that it is compared with",
                f"against: {entries[name].against}",
                "no 'against' in the reference arm, nor in the arm of the primary endpoint, whose opponent it is",
                f"remove arms.{name}.against",
            )
    for name, entry in entries.items():
        if entry.against is None:
            continue
        require_known(f"arms.{name}.against", entry.against, params.arms.patients, "an arm of arms.patients")
        if entry.against == name:
            raise inconsistent(f"arm '{name}' is compared with itself", name, "another arm", "correct 'against'")


def _require_external_apart(params: Params) -> None:
    """The external cohort is scored, and used for nothing else; what is scored for choices is not learnt: both leak."""
    external = params.evaluation.external
    generators = {f"generators.{name}.cohort": entry.cohort for name, entry in params.generators.items()}
    learnt = generators | {f"{key}.cohort": entry.cohort for key, entry in _arms_by_key(params).items()}
    learnt |= {f"labelling.{name}.images": entry.cohort for name, entry in params.labelling.items() if entry.cohort}
    uses = learnt | {f"evaluation.development ({name})": name for name in params.evaluation.development}
    uses["audit.held_out"] = params.audit.held_out
    for key, cohort in uses.items():
        if cohort == external:
            raise inconsistent(
                f"{key} uses the external cohort",
                cohort,
                "a cohort that is not evaluation.external: it is scored once and used for nothing else",
                f"give {key.partition(' ')[0]} another cohort",
            )
    for key, cohort in learnt.items():
        if cohort in params.evaluation.development:
            raise inconsistent(
                f"{key} uses a cohort on which choices are made",
                cohort,
                "a cohort that is not in evaluation.development: no network may have learnt from it",
                f"give {key} another cohort",
            )
    for key, cohort in generators.items():
        if cohort == params.audit.held_out:
            raise inconsistent(
                "the audit's held-out patients are those that a generator learns from",
                f"audit.held_out and {key}: {cohort}",
                "patients whom no generator saw",
                "give audit.held_out another cohort",
            )


def _require_metrics(params: Params) -> None:
    scored = params.evaluation.metrics
    unscored = sorted(set(params.comparison.margins) - set(scored))
    if unscored:
        raise inconsistent(
            f"comparison.margins names a metric that is not scored: {unscored[0]}",
            ", ".join(unscored),
            f"metrics of evaluation.metrics: {', '.join(sorted(scored))}",
            "correct the name, or add the metric",
        )
    primary = params.comparison.primary.metric
    require_known("comparison.primary.metric", primary, scored, "a metric of evaluation.metrics")
    if primary not in params.comparison.margins:
        raise inconsistent(
            "the primary metric has no equivalence margin",
            ", ".join(params.comparison.margins) or "no margins",
            f"a margin for {primary}, fixed in advance",
            f"add '{primary}' to comparison.margins",
        )


def require_known(key: str, name: str, known: Mapping[str, object], what: str) -> None:
    """Raises UserError for a name that is none of `known`; it proposes the nearest."""
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise inconsistent(
            f"{key} names something that is not there: '{name}'",
            name,
            f"{what}: {', '.join(known) or 'there is none'}",
            f"did you mean '{near[0]}'?" if near else f"correct '{key}', or add it",
        )


def inconsistent(what: str, got: object, expected: str, remedy: str) -> UserError:
    """The message of two parts of params.yaml that contradict each other."""
    return UserError(what, got=got, expected=expected, remedy=remedy, file="params.yaml")
