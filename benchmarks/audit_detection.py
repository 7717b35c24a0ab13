"""What the privacy audit finds, and how often it raises a false alarm: the oracle with known shares of copies in it.

    OMP_NUM_THREADS=1 python benchmarks/audit_detection.py                 # the tables of docs/audit.md
    OMP_NUM_THREADS=1 python benchmarks/audit_detection.py --worlds 1      # a first look

A world is a draw of the phantom: 303 patients of a generator, 42 of an equal-patient one, 50 held out, two sets of
5 000 fresh frames (two seeds of a clean generator) and 300 copies of each kind for either training set. Its frames are
searched once, by the audit's own functions; a search is kept in --work and not made again. Contaminated sets are mixed
from what was found, since the neighbours of a frame do not depend on other generated frames. Every test gets the part
of the false alarms that it has in a study with two seeds, two feature spaces and two tests: 5% / 8.

Without copies, patients are also dealt to both sets anew, which leaves a clean generator clean.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from augbench.audit._copies import KINDS, copies
from augbench.audit._search import Matches, Near, Queries, Search, find_matches
from augbench.audit._subjects import subject_codes
from augbench.audit.base import FALSE_ALARMS
from augbench.audit.features.base import Encode, FeatureExtractor, NetworkEncoder
from augbench.audit.features.pixels import Pixels
from augbench.audit.features.segmenter import SegmenterFeatures
from augbench.audit.membership import patient_scores
from augbench.audit.neighbours import Neighbours
from augbench.datasets.tof_phantom import TofPhantom

Frames = NDArray[np.uint8]
VIEWS = ("4ch", "2ch", "sax")
FEATURES = ("pixels", "network")
SEEDS = 2
N_FRAMES, N_COPIES = 5000, 300
ALPHA = FALSE_ALARMS / (2 * len(FEATURES) * SEEDS)
SHARES = (0.0002, 0.0005, 0.001, 0.002, 0.0035, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5)
#: Training cohort, frames audited.
DESIGNS = (("generator", 5000), ("segmenter", 5000), ("generator", 1000), ("segmenter", 1000))
METHODS = (
    "neighbours, pixels", "neighbours, network", "membership, pixels", "membership, network", "quantile count, pixels",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """One training cohort in one feature space.

    Attributes:
        clean: what the search of each clean set found.
        copied: the same for each kind of copy.
        held_out_ratio: (m,) of each held-out frame, distance to training over that to other held-out patients.
        held_out_patients: number of patients behind these.
    """

    clean: list[Matches]
    copied: dict[str, Matches]
    held_out_ratio: NDArray[np.float64]
    held_out_patients: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=40, help="contaminated sets a world, share and kind")
    parser.add_argument("--relabelled", type=int, default=300, help="deals of the patients a world, without copies")
    parser.add_argument("--work", type=Path, default=Path(".augbench/audit_detection"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for cohort, n_frames in DESIGNS:
        worlds = [
            {features: world(options.work, number, cohort, features) for features in FEATURES}
            for number in range(options.worlds)
        ]
        patients = worlds[0]["pixels"].clean[0].members
        print(f"\n{patients} training patients, 50 held out, {n_frames} frames, {options.worlds} worlds\n", flush=True)
        _print_alarms(worlds, n_frames, options.relabelled)
        _print_limits(worlds, n_frames, options.draws)


def _print_limits(worlds: list[dict[str, World]], n_frames: int, draws: int) -> None:
    print("| method | " + " | ".join(KINDS) + " |\n|---|" + "---:|" * len(KINDS))
    found = {kind: smallest_shares(worlds, kind, n_frames, draws) for kind in KINDS}
    for method in (*METHODS, "whole audit"):
        cells = [found[kind].get(method) for kind in KINDS]
        print(f"| {method} | " + " | ".join("not found" if one is None else f"{one:.2%}" for one in cells) + " |")


def smallest_shares(worlds: list[dict[str, World]], kind: str, n_frames: int, draws: int) -> dict[str, float]:
    """Method -> smallest share of the grid from which on 95% of the contaminated sets were flagged."""
    rng = np.random.default_rng(7)
    enough: dict[str, float] = {}
    settled = 0
    for share in SHARES:
        count = max(1, round(share * n_frames))
        hits = [flags(one, kind, count, n_frames, rng) for one in worlds for _ in range(draws)]
        rates = {method: float(np.mean([hit[method] for hit in hits])) for method in hits[0]}
        enough = {method: at for method, at in enough.items() if rates[method] >= 0.95}
        for method, rate in rates.items():
            if rate >= 0.95:
                enough.setdefault(method, count / n_frames)
        settled = settled + 1 if len(enough) == len(rates) else 0
        if settled == 2:
            break
    return enough


def flags(
    world_of: dict[str, World], kind: str | None, count: int, n_frames: int, rng: np.random.Generator
) -> dict[str, bool]:
    """What each method says of a set of `n_frames` in which `count` frames were replaced by copies."""
    kept = rng.permutation(N_FRAMES)[: n_frames - count]
    added = rng.integers(0, N_COPIES, count)
    said: dict[str, bool] = {}
    for features, one in world_of.items():
        clean, copied = one.clean[0], one.copied[kind or KINDS[0]]
        near = Near(
            np.concatenate([clean.synthetic.patient[kept], copied.synthetic.patient[added]]),
            np.concatenate([clean.synthetic.nearness[kept], copied.synthetic.nearness[added]]),
        )
        said[f"neighbours, {features}"] = Neighbours().judge(near, clean, ALPHA).p_value <= ALPHA
        gaps = clean.to_synthetic.copy()
        np.minimum.at(gaps, copied.training_row[added], copied.training_distance[added])
        said[f"membership, {features}"] = _membership(patient_scores(replace(clean, to_synthetic=gaps)), clean.members)
        if features == "pixels":
            said["quantile count, pixels"] = _quantile_count(one, kept, copied, added)
    said["whole audit"] = any(said[name] for name in METHODS if not name.startswith("quantile"))
    return said


def _membership(score: NDArray[np.float64], members: int) -> bool:
    from scipy.stats import mannwhitneyu

    return bool(mannwhitneyu(score[:members], score[members:], alternative="greater").pvalue <= ALPHA)


def _quantile_count(one: World, kept: NDArray[Any], copied: Matches, added: NDArray[Any]) -> bool:
    """A test that was not taken: frames whose ratio is below the first percentile of held-out frames' own, counted.

    The count is beta-binomial, with both parameters shrunk to the number of held-out patients.
    """
    from scipy.stats import betabinom

    ratios = np.concatenate([_ratio(one.clean[0])[kept], _ratio(copied)[added]])
    m = len(one.held_out_ratio)
    rank = max(1, m // 100)
    count = int((ratios < np.sort(one.held_out_ratio)[rank - 1]).sum())
    effective = one.held_out_patients / m
    return bool(betabinom.sf(count - 1, len(ratios), rank * effective, (m - rank + 1) * effective) <= ALPHA)


def _ratio(matches: Matches) -> NDArray[np.float64]:
    return (matches.training_distance + 1e-3) / (matches.held_out_distance + 1e-3)


def _print_alarms(worlds: list[dict[str, World]], n_frames: int, deals: int) -> None:
    """Share of clean audits (both seeds, all features and tests) that flag anything."""
    rng = np.random.default_rng(8)
    rows = [_alarms(one, n_frames, deal, rng) for one in worlds for deal in range(deals)]
    tests = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    print(
        f"false alarms in {len(rows)} clean audits of two seeds: " + ", ".join(f"{k} {v:.1%}" for k, v in tests.items())
    )
    print(flush=True)


def _alarms(world_of: dict[str, World], n_frames: int, deal: int, rng: np.random.Generator) -> dict[str, bool]:
    clean = world_of["pixels"].clean[0]
    patients = clean.members + clean.others
    # The first deal is the true one.
    dealt = rng.permutation(patients) if deal else np.arange(patients)
    said = dict.fromkeys(("whole audit", "neighbours", "membership"), False)
    for one in world_of.values():
        for matches in one.clean:
            rows = rng.permutation(N_FRAMES)[:n_frames]
            near = Near(dealt[matches.synthetic.patient[rows]], matches.synthetic.nearness[rows])
            said["neighbours"] |= Neighbours().judge(near, matches, ALPHA).p_value <= ALPHA
            score = np.empty(patients)
            score[dealt] = patient_scores(matches)
            said["membership"] |= _membership(score, matches.members)
    said["whole audit"] = said["neighbours"] or said["membership"]
    return said


def world(work: Path, number: int, cohort: str, features: str) -> World:
    """A world's searches, from `work` or made and kept there."""
    path = work / f"{number}-{cohort}-{features}.npz"
    if not path.is_file():
        started = time.process_time()
        frames = _frames(work, number)
        held = _search_all(frames, cohort, features, work)
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, **held)
        temporary.replace(path)
        print(f"{path.name}: {time.process_time() - started:.0f} s of CPU time", flush=True)
    with np.load(path) as held:
        content = dict(held)
    sets = {name: _unpacked(content, name) for name in (*(f"clean{seed}" for seed in range(SEEDS)), *KINDS)}
    return World(
        [sets[f"clean{seed}"] for seed in range(SEEDS)],
        {kind: sets[kind] for kind in KINDS},
        content["held_out_ratio"],
        sets["clean0"].others,
    )


def _frames(work: Path, number: int) -> dict[str, NDArray[Any]]:
    """Images, patients and views of a world."""
    path = work / f"{number}-frames.npz"
    if not path.is_file():
        sizes = {"generator": 303, "segmenter": 42, "internal": 50}
        phantom = TofPhantom(cohorts={name: {"site": "main", "subjects": size} for name, size in sizes.items()})
        held: dict[str, NDArray[Any]] = {}
        for name, frames in phantom.cohorts(64, VIEWS, seed=number).items():
            held[name] = frames.images
            held[f"{name}_patients"] = frames.table["subject_id"].to_numpy().astype(str)
            held[f"{name}_views"] = np.array(frames.views)
        views = [VIEWS[row % len(VIEWS)] for row in range(SEEDS * N_FRAMES)]
        held["synthetic"] = phantom.draw(views, np.arange(len(views)) + (number + 1) * 10**7, 64)[:, 0]
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, **held)
        temporary.replace(path)
    with np.load(path) as content:
        return dict(content)


def _search_all(frames: dict[str, NDArray[Any]], cohort: str, features: str, work: Path) -> dict[str, NDArray[Any]]:
    """Every clean set and every kind of copy against a cohort and the held-out patients."""
    extractor: FeatureExtractor = Pixels() if features == "pixels" else SegmenterFeatures()
    encode = None if features == "pixels" else _network(work)
    targets = [extractor.targets(frames[name], encode) for name in (cohort, "internal")]
    codes = [subject_codes(frames[f"{name}_patients"], len(frames[name])) for name in (cohort, "internal")]
    sets = {f"clean{seed}": frames["synthetic"][seed * N_FRAMES :][:N_FRAMES] for seed in range(SEEDS)}
    sets |= _planted(frames, cohort)
    held: dict[str, NDArray[Any]] = {"held_out_ratio": _held_out_ratio(targets, codes)}
    for name, images in sets.items():
        queries = Queries(len(images), _variants(extractor, images, encode))
        found = find_matches(Search(queries, targets[0], targets[1]), codes[0], codes[1])
        held |= _packed(found, name)
    return held


def _variants(extractor: FeatureExtractor, images: Frames, encode: Encode | None) -> Callable[[slice], Any]:
    return lambda rows: extractor.queries(images[rows], encode)


def _planted(frames: dict[str, NDArray[Any]], cohort: str) -> dict[str, Frames]:
    """Copies of random training frames; blends are with a fresh frame of the same view."""
    rng = np.random.default_rng(6)
    rows = rng.integers(0, len(frames[cohort]), N_COPIES)
    fresh = [3 * rng.integers(0, N_FRAMES // 3) + VIEWS.index(view) for view in frames[f"{cohort}_views"][rows]]
    return {kind: copies(frames[cohort][rows], frames["synthetic"][N_FRAMES:][fresh], kind, rng) for kind in KINDS}


def _held_out_ratio(targets: list[NDArray[Any]], codes: list[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Of held-out frames: distance to the nearest training frame over that to the nearest other held-out patient."""
    from augbench.audit._search import _distance, _whitening

    whiten = _whitening(np.concatenate(targets))
    training, held_out = (whiten(part) for part in targets)
    other = held_out @ held_out.T
    other[codes[1][:, None] == codes[1][None, :]] = -1
    return np.asarray(_distance((held_out @ training.T).max(axis=1)) / _distance(other.max(axis=1)))


def _packed(found: Matches, name: str) -> dict[str, NDArray[Any]]:
    arrays = {key: value for key, value in vars(found).items() if isinstance(value, np.ndarray)}
    for key in ("synthetic", "real"):
        near = getattr(found, key)
        arrays |= {f"{key}_patient_of": near.patient, f"{key}_nearness": near.nearness}
    arrays["counts"] = np.array([found.members, found.others])
    return {f"{name}/{key}": value for key, value in arrays.items()}


def _unpacked(content: dict[str, NDArray[Any]], name: str) -> Matches:
    own = {key.split("/")[1]: value for key, value in content.items() if key.startswith(f"{name}/")}
    members, others = (int(count) for count in own.pop("counts"))
    nears = {key: Near(own.pop(f"{key}_patient_of"), own.pop(f"{key}_nearness")) for key in ("synthetic", "real")}
    return Matches(members=members, others=others, planted={}, **nears, **own)


def _network(work: Path) -> Encode:
    """A small U-Net trained for 300 steps on 60 patients of a draw of their own, whom no world holds."""
    import torch

    from augbench.segmenters.monai_unet import MonaiUnet

    torch.set_num_threads(1)
    torch.manual_seed(0)
    segmenter = MonaiUnet()
    path = work / "network.pt"
    network = segmenter.build(6, 64)
    if path.is_file():
        network.load_state_dict(torch.load(path, weights_only=True))
    else:
        phantom = TofPhantom(cohorts={"other": {"site": "main", "subjects": 60}})
        frames = phantom.cohorts(64, VIEWS, seed=10**6)["other"]
        images, labels = _normalised(frames.images), torch.from_numpy(frames.labels.astype(np.int64))
        optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
        for _ in range(300):
            rows = torch.randint(0, len(images), (16,))
            loss = torch.nn.functional.cross_entropy(network(images[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        torch.save(network.state_dict(), path)
    return NetworkEncoder(network, segmenter.encode, _normalised, torch.device("cpu"))


def _normalised(images: Frames) -> Any:
    """(n, 1, H, W) of mean 0 and SD 1."""
    import torch

    batch = torch.from_numpy(images.astype(np.float32))[:, None]
    return (batch - batch.mean((1, 2, 3), keepdim=True)) / batch.std((1, 2, 3), keepdim=True).clamp_min(1e-6)


if __name__ == "__main__":
    main()
