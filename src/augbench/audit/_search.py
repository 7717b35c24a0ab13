"""Nearest real frames of generated ones, each generated frame tried under every transform that may hide a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]
Single = NDArray[np.float32]
Rows = NDArray[np.intp]

_BLOCK = 512
_COMPONENTS = 128
#: Real frames a principal component; with fewer its direction is noise.
_FRAMES_A_COMPONENT = 4
#: Cosines are held in 32 bits: two equal frames are up to this far apart.
_RESOLUTION = 1e-3


@dataclass(frozen=True)
class Queries:
    """Frames whose neighbours are looked for.

    Attributes:
        count: frames.
        variants: rows -> features (rows, e) of these frames under one transform after the other; the order is free.
    """

    count: int
    variants: Callable[[slice], Iterator[Features]]

    @staticmethod
    def of(features: Features) -> Queries:
        """Frames that are tried as they are."""
        return Queries(len(features), lambda rows: iter([features[rows]]))


@dataclass(frozen=True)
class Search:
    """Where neighbours are looked for, and of what.

    Attributes:
        synthetic: the generated frames.
        training, held_out: (k, e) and (m, e) real frames, as they are.
        planted: kind of copy -> copies of training frames, made to learn what the audit would have found.
    """

    synthetic: Queries
    training: Features
    held_out: Features
    planted: Mapping[str, Queries] = field(default_factory=dict)


@dataclass(frozen=True)
class Near:
    """How near frames are to the nearest patient, which says nothing about whose patient that is.

    Attributes:
        patient: (n,) number of the patient with the nearest frame.
        nearness: (n,) >= 0, log of the distance to the second nearest patient over that to the nearest: 0 where two
            patients are as near, large for a copy. Smooth or average frames are near to everybody and get about 0.
    """

    patient: Rows
    nearness: NDArray[np.float64]


@dataclass(frozen=True)
class Matches:
    """What a search found. Distances are between whitened features of length 1: 0 to 2, about 1.4 when unrelated.

    Patients are numbered from 0, training patients first.

    Attributes:
        members, others: number of training and of held-out patients.
        synthetic: nearness of generated frames.
        training_row, held_out_row: (n,) nearest real frame of either set.
        training_distance, held_out_distance: (n,) how far it is.
        planted: kind of copy -> nearness of the planted copies.
        real: nearness of real frames (k + m, training first) to *other* patients, not transformed.
        real_patient: (k + m,) patient of each real frame.
        to_real, to_synthetic: (k + m,) distance of each real frame to the nearest one of another patient, and to the
            nearest generated frame.
    """

    members: int
    others: int
    synthetic: Near
    training_row: Rows
    held_out_row: Rows
    training_distance: NDArray[np.float64]
    held_out_distance: NDArray[np.float64]
    planted: Mapping[str, Near]
    real: Near
    real_patient: Rows
    to_real: NDArray[np.float64]
    to_synthetic: NDArray[np.float64]


def find_matches(search: Search, training_codes: Rows, held_out_codes: Rows) -> Matches:
    """Search block by block: memory does not grow with the number of generated frames.

    Real frames are whitened by their own principal components, so that what all frames share (where a body lies in a
    frame) no longer hides what one frame alone has. Which set a real frame is from plays no part in it.

    Args:
        training_codes, held_out_codes: (k,) and (m,) patient of each real frame, each numbered from 0.
    """
    members = int(training_codes.max()) + 1
    patient = np.concatenate([training_codes, held_out_codes + members])
    whiten = _whitening(np.concatenate([search.training, search.held_out]))
    real = whiten(np.concatenate([search.training, search.held_out]))
    groups = _Groups(patient)
    columns = np.ascontiguousarray(real.T)
    synthetic, sides, to_synthetic = _of_synthetic(search, whiten, columns, groups)
    apart, to_real = _between_patients(real, columns, groups)
    planted = {
        kind: _joined([groups.near(best) for best in _blocks(queries, whiten, columns)])
        for kind, queries in search.planted.items()
    }
    return Matches(
        members=members,
        others=int(held_out_codes.max()) + 1,
        synthetic=synthetic,
        training_row=sides[0].argmax,
        held_out_row=sides[1].argmax,
        training_distance=_distance(sides[0].cosine),
        held_out_distance=_distance(sides[1].cosine),
        planted=planted,
        real=apart,
        real_patient=patient,
        to_real=to_real,
        to_synthetic=_distance(to_synthetic),
    )


def _whitening(real: Features) -> Callable[[Features], Single]:
    """(n, e) -> (n, c): centred, whitened by the principal components of the real frames, of length 1."""
    centre = real.mean(axis=0, dtype=np.float64)
    _, spread, directions = np.linalg.svd(real.astype(np.float64) - centre, full_matrices=False)
    kept = max(1, min(_COMPONENTS, len(real) // _FRAMES_A_COMPONENT, int((spread > 1e-6 * spread[0]).sum())))
    # A set without any spread leaves nothing to divide by.
    scale = np.maximum(spread[:kept], np.finfo(np.float64).tiny) / np.sqrt(len(real))
    weights = (directions[:kept].T / scale).astype(np.float32)
    shift = (centre @ weights).astype(np.float32)

    def whiten(features: Features) -> Single:
        white = features.astype(np.float32) @ weights - shift
        length = np.linalg.norm(white, axis=1, keepdims=True)
        return np.asarray(white / np.maximum(length, 1e-12), dtype=np.float32)

    return whiten


def _blocks(queries: Queries, whiten: Callable[[Features], Single], columns: Single) -> Iterator[Single]:
    """(b, k + m) greatest cosine of each query of a block with each real frame, over all transforms."""
    for start in range(0, queries.count, _BLOCK):
        rows = slice(start, min(start + _BLOCK, queries.count))
        best = np.full((rows.stop - start, columns.shape[1]), -1, np.float32)
        found = np.empty_like(best)
        for variant in queries.variants(rows):
            np.matmul(whiten(variant), columns, out=found)
            np.maximum(best, found, out=best)
        yield best


@dataclass(frozen=True)
class _Side:
    """Nearest frames in one set: rows and cosines (n,)."""

    argmax: Rows
    cosine: Single


def _of_synthetic(
    search: Search, whiten: Callable[[Features], Single], columns: Single, groups: _Groups
) -> tuple[Near, list[_Side], Single]:
    """Nearness of generated frames, their nearest frames in both sets, and the best cosine (k + m,) of real frames."""
    cut = len(search.training)
    nears: list[Near] = []
    sides: list[list[_Side]] = [[], []]
    to_synthetic = np.full(columns.shape[1], -1, np.float32)
    for best in _blocks(search.synthetic, whiten, columns):
        nears.append(groups.near(best))
        np.maximum(to_synthetic, best.max(axis=0), out=to_synthetic)
        for parts, side in zip(sides, (best[:, :cut], best[:, cut:]), strict=True):
            parts.append(_Side(side.argmax(axis=1), side.max(axis=1)))
    joined = [
        _Side(np.concatenate([part.argmax for part in parts]), np.concatenate([part.cosine for part in parts]))
        for parts in sides
    ]
    return _joined(nears), joined, to_synthetic


def _between_patients(real: Single, columns: Single, groups: _Groups) -> tuple[Near, NDArray[np.float64]]:
    """Nearness of real frames to patients other than their own, and the distance to the nearest of these."""
    nears, nearest = [], []
    for start in range(0, len(real), _BLOCK):
        rows = slice(start, start + _BLOCK)
        cosine = real[rows] @ columns
        cosine[groups.patient[rows, None] == groups.patient[None, :]] = -1
        nears.append(groups.near(cosine))
        nearest.append(cosine.max(axis=1))
    return _joined(nears), _distance(np.concatenate(nearest))


class _Groups:
    """Real frames by patient, to take the best of each patient's.

    Args:
        patient: (k + m,) number of each frame's patient.
    """

    def __init__(self, patient: Rows) -> None:
        self.patient = patient
        self._order = np.argsort(patient, kind="stable")
        self._starts = np.flatnonzero(np.diff(patient[self._order], prepend=-1))

    def near(self, cosine: Single) -> Near:
        """From cosines (b, k + m) with every real frame, of two patients or more."""
        of_patient = np.maximum.reduceat(cosine[:, self._order], self._starts, axis=1)
        patient = of_patient.argmax(axis=1)
        second, first = np.partition(of_patient, -2, axis=1)[:, -2:].T
        gaps = [_distance(cosines) + _RESOLUTION for cosines in (second, first)]
        # Rounded: a product of matrices in another order differs in its last bits.
        return Near(patient, np.asarray(np.round(np.log(gaps[0] / gaps[1]), 4), dtype=np.float64))


def _joined(parts: list[Near]) -> Near:
    return Near(np.concatenate([part.patient for part in parts]), np.concatenate([part.nearness for part in parts]))


def _distance(cosine: Single) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(0.0, 2.0 - 2.0 * cosine.astype(np.float64)))
