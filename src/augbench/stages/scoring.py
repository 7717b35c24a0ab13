"""Part of develop and evaluate: every trained network on a cohort -> one row a frame, structure and score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from augbench.core.arms import Arm, Run, arms_of
from augbench.core.checkpoint import Checkpoints
from augbench.core.component import create
from augbench.core.device import torch_device
from augbench.core.params import Kinds, Params
from augbench.core.types import Frames
from augbench.runtime.progress import progress
from augbench.scores.base import SegmentationScore, score_frame
from augbench.stages.networks import load_network

#: Frames that are predicted and scored at a time; a run is interrupted between two such parts only.
_PART = 64
_PLACE = ["frame_id", "subject_id", "site", "view"]
_SCORE = ["structure", "metric", "value", "reason"]


def scorers(metrics: Kinds) -> dict[str, SegmentationScore]:
    """The components of `evaluation.metrics` by name."""
    return {
        name: create(SegmentationScore, name, options, entry=f"evaluation.metrics.{name}")
        for name, options in metrics.items()
    }


class Scoring:
    """All runs of a study on one cohort.

    Args:
        frames: of the cohort.
        metrics: what is scored.
        title: shown with the progress.
        keep: runs whose label maps are wanted.

    Attributes:
        maps: run -> label maps (n, H, W) uint8, of the runs in `keep`.
    """

    def __init__(self, params: Params, frames: Frames, metrics: Kinds, title: str, keep: Sequence[Run] = ()) -> None:
        self._device = torch_device(params.compute.accelerator)
        self._frames, self._scorers, self._title = frames, scorers(metrics), title
        self._runs: list[tuple[Arm, Run]] = [(arm, run) for arm in arms_of(params) for run in arm.runs]
        self._rows: list[list[Any]] = []
        self.maps = {run: np.zeros_like(frames.labels) for run in keep}

    def rows(self, checkpoints: Checkpoints | None) -> pd.DataFrame:
        """A row a frame, run, structure and metric: frame_id, subject_id, site, view, run, score and its reason."""
        parts = range(0, len(self._frames), _PART)
        done = self._restore(checkpoints)
        with progress(self._title, len(self._runs) * len(parts), "parts") as bar:
            bar.advance(done)
            for number, (arm, run) in enumerate(self._runs):
                left = parts[max(done - number * len(parts), 0) :]
                if not left:
                    continue
                network, structures = load_network(arm, run)
                network.to(self._device)
                for start in left:
                    self._score(run, start, network, structures)
                    done += 1
                    bar.advance(1, note=f"{arm.name} {run.name}")
                    if checkpoints is not None and checkpoints.due():
                        self._save(done, checkpoints)
        columns = [*_PLACE, "arm", "generator_seed", "segmenter_seed", *_SCORE]
        return pd.DataFrame(self._rows, columns=columns)

    def _score(self, run: Run, start: int, network: Any, trained: list[str]) -> None:
        """Scores of the structures that the network knows and the cohort annotates; others have no reference."""
        from augbench.training.fit import predict

        frames, part = self._frames, slice(start, start + _PART)
        predicted = predict(network, frames.images[part])
        if run in self.maps:
            self.maps[run][part] = predicted
        table = frames.table.iloc[part]
        for at, (place, spacing_mm) in enumerate(
            zip(table[_PLACE].itertuples(index=False, name=None), table["spacing_mm"], strict=True)
        ):
            # The label maps share one scheme, so reference and prediction agree on every value.
            labels = {name: frames.scheme.value(name) for name in frames.scheme.annotated[place[-1]] if name in trained}
            scores = score_frame(frames.labels[start + at], predicted[at], labels, float(spacing_mm), self._scorers)
            self._rows += [[*place, *run.identity.values(), *score] for score in scores]

    def _restore(self, checkpoints: Checkpoints | None) -> int:
        """Parts that an earlier process scored."""
        found = None if checkpoints is None else checkpoints.latest()
        if found is None:
            return 0
        self._rows = found.state["rows"]
        self.maps = {run: found.tensors[f"{run.arm}/{run.name}"].numpy() for run in self.maps}
        return found.step

    def _save(self, done: int, checkpoints: Checkpoints) -> None:
        import torch

        maps: dict[str, torch.Tensor] = {
            f"{run.arm}/{run.name}": torch.from_numpy(array) for run, array in self.maps.items()
        }
        checkpoints.save(done, maps, {"rows": self._rows})


def mean_over_frames(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over patients, a row a run, view, structure and metric.

    Frames of a patient are averaged first: a patient with more frames must not weigh more.
    """
    keys = ["arm", "generator_seed", "segmenter_seed", "view", "structure", "metric"]
    numbers = rows.assign(value=pd.to_numeric(rows["value"]))
    patients = numbers.groupby([*keys, "subject_id"], as_index=False, sort=False)["value"].mean()
    return patients.groupby(keys, as_index=False, sort=False)["value"].mean()
