"""What all privacy tests of a generator say together: its seeds, feature spaces and tests share the false alarms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: Seed -> test -> feature space -> result.
Results = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]


def privacy_summary(seeds: Results, alpha: float) -> dict[str, Any]:
    """One verdict, and one detection limit, of a generator.

    `flagged`: any test flagged any seed; null where no test with a verdict could be made. `alpha`: false alarms of each
    such test. `detection_limits`: kind of copy -> smallest share that would have been found in every seed, by the
    feature space that sees the kind best; `detection_limit`: the greatest of these. Null where a seed has none.
    """
    verdicts = [result for tests in seeds.values() for result in _results(tests) if result.get("flagged") is not None]
    by_seed = [_limits_of(tests) for tests in seeds.values()]
    kinds = dict.fromkeys(kind for limits in by_seed for kind in limits)
    limits = {kind: _worst(found.get(kind) for found in by_seed) for kind in kinds}
    return {
        "flagged": any(result["flagged"] for result in verdicts) if verdicts else None,
        "alpha": alpha,
        "detection_limit": _worst(limits.values()),
        "detection_limits": limits,
    }


def _results(tests: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterable[Mapping[str, Any]]:
    return (result for by_features in tests.values() for result in by_features.values())


def _limits_of(tests: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, float | None]:
    """Kind -> smallest limit of a seed's feature spaces: the audit finds what one of them finds."""
    found: dict[str, float | None] = {}
    for result in _results(tests):
        for kind, limit in result.get("detection_limits", {}).items():
            known = [one for one in (found.get(kind), limit) if one is not None]
            found[kind] = min(known, default=None)
    return found


def _worst(limits: Iterable[float | None]) -> float | None:
    """The greatest; None where there is none or one is not known."""
    known, complete = [], True
    for limit in limits:
        complete &= limit is not None
        known += [] if limit is None else [limit]
    return max(known) if known and complete else None
