"""Runs the pipeline as a child process group and kills it at points drawn from a seed, until it has finished.

A point is a stage and a moment: a fraction of the time that the stage took when nobody killed it, or shortly after the
stage has ended, while DVC stores its outputs and writes dvc.lock. Every `augbench` that DVC starts passes through a
shell script, first on the path, that notes the stage and its process id and then becomes that process.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from workspace import Workspace, augbench_command, dvc_command

Target = Literal["group", "stage"]
COMMANDS = {
    "augbench repro --jobs 2": augbench_command("repro", "--jobs", "2"),
    "dvc repro": dvc_command("repro"),
    "augbench repro --jobs 1": augbench_command("repro", "--jobs", "1"),
}
#: Who gets the signal: every process of the run, or the stage's own process alone.
FAULTS: tuple[tuple[signal.Signals, Target], ...] = (
    (signal.SIGKILL, "group"),
    (signal.SIGKILL, "group"),
    (signal.SIGTERM, "group"),
    (signal.SIGTERM, "stage"),
    (signal.SIGUSR1, "stage"),
    (signal.SIGKILL, "stage"),
)
#: What DVC says of its own files when a kill met it writing them in place.
_HALF_WRITTEN = re.compile(r"dvc\.lock.* (corrupted|validation failed)|RWLock-file")
_LOOK_SECONDS = 0.01
_LONGEST_ATTEMPT_SECONDS = 1800.0


@dataclass(frozen=True)
class Kill:
    """At `fraction` of the stage's time; None: `after_seconds` after the stage has ended by itself."""

    stage: str
    signal: signal.Signals
    target: Target
    fraction: float | None
    after_seconds: float = 0.0

    def moment(self) -> str:
        return f"end + {self.after_seconds:.2f} s" if self.fraction is None else f"{self.fraction:.0%}"


@dataclass(frozen=True)
class Hit:
    """A kill that was carried out, and the stages that were running then."""

    kill: Kill
    command: str
    running: tuple[str, ...]


@dataclass
class Attempt:
    """One start of the whole pipeline and how it ended; `spent`: seconds of every stage process that it started."""

    command: str
    code: int = 0
    hits: list[Hit] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=dict)
    output: str = ""


@dataclass
class Outcome:
    """A pipeline that was killed again and again and then finished."""

    hits: list[Hit]
    missed: list[Kill]
    spent: Counter[str]
    #: Restarts that plain `dvc repro` refused because of its own half-written file; `augbench repro` mends it.
    refused: int = 0

    def lost_seconds(self, hit: Hit, unkilled: Mapping[str, float]) -> float:
        """Time of the stage beyond that of the unkilled run, shared among the kills aimed at it."""
        stage = hit.kill.stage
        return max(0.0, self.spent[stage] - unkilled[stage]) / sum(other.kill.stage == stage for other in self.hits)


def draw_kills(stages: Sequence[str], count: int, seed: int) -> list[Kill]:
    """`count` kills: one in each kind of stage first, then in the other stages, then from the start again.

    Args:
        stages: names in dvc.lock, such as `sample@pggan-0`; the kind is what stands before the `@`.
    """
    rng = random.Random(seed)
    shuffled = rng.sample(sorted(stages), len(stages))
    kinds = {name.split("@")[0]: name for name in shuffled}
    order = list(kinds.values()) + [name for name in shuffled if name not in kinds.values()]
    kills: list[Kill] = []
    while len(kills) < count:
        # Block by block, so that a dozen kills hold every fault twice.
        for sent, target in rng.sample(FAULTS, len(FAULTS)):
            fraction = None if target == "group" and rng.random() < 0.4 else rng.random()
            kills.append(Kill(order[len(kills) % len(order)], sent, target, fraction, rng.uniform(0.0, 0.2)))
    return kills[:count]


class Watched:
    """Starts pipelines in one workspace and knows which stage runs.

    Args:
        scratch: a new folder outside the workspace.
    """

    def __init__(self, workspace: Workspace, scratch: Path) -> None:
        self.workspace = workspace
        self._starts = scratch / "starts"
        self._starts.mkdir(parents=True)
        self._log = scratch / "output.txt"
        shim = scratch / "bin" / "augbench"
        shim.parent.mkdir()
        python = augbench_command()[0]
        # Renamed when complete: a note is never read half-written. `exec` keeps the process id.
        shim.write_text(
            f'#!/bin/sh\nn="{self._starts}/$$"\necho "$DVC_STAGE" >"$n.new" && mv "$n.new" "$n"\n'
            f'exec "{python}" -c "from augbench.cli import main; main()" "$@"\n',
            encoding="utf-8",
        )
        shim.chmod(0o755)
        self.environment = workspace.environment | {"PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}"}

    def attempt(self, command: str, kills: Mapping[str, Kill], unkilled: Mapping[str, float]) -> Attempt:
        """Run `command` until it ends, by itself or by one of `kills` (by stage).

        Not every signal ends it: a stage that is still importing may not hear a SIGTERM, and the run goes on.
        """
        found = Attempt(command)
        with self._log.open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                COMMANDS[command],
                cwd=self.workspace.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                self._watch(process, found, kills, unkilled)
            finally:
                _send(signal.SIGKILL, process.pid, "group")
                found.code = process.wait()
        found.output = self._log.read_text(encoding="utf-8", errors="replace")
        return found

    def _watch(
        self, process: subprocess.Popen[bytes], found: Attempt, kills: Mapping[str, Kill], unkilled: Mapping[str, float]
    ) -> None:
        started: dict[str, tuple[int, float]] = {}
        due: dict[str, float] = {}
        limit = time.monotonic() + _LONGEST_ATTEMPT_SECONDS
        # A stage may outlive `dvc`, which dies of SIGTERM at once: the run is over when its group is empty.
        while process.poll() is None or _alive(process.pid, "group"):
            now = time.monotonic()
            if now > limit:
                raise TimeoutError(f"{found.command} ran for more than {_LONGEST_ATTEMPT_SECONDS:.0f} s")
            for pid, stage in self._new_starts():
                started[stage] = pid, now
                if stage in kills and (fraction := kills[stage].fraction) is not None:
                    due[stage] = now + fraction * unkilled[stage]
            running = {stage: start for stage, (pid, start) in started.items() if _alive(pid, "stage")}
            for stage in started.keys() - running.keys() - found.spent.keys():
                found.spent[stage] = now - started[stage][1]
                if stage in kills and all(hit.kill.stage != stage for hit in found.hits):
                    due[stage] = now + (kills[stage].after_seconds if kills[stage].fraction is None else 0.0)
            for stage in [name for name, at in due.items() if at <= now]:
                kill = kills[stage]
                del due[stage]
                # A stage that ended early leaves `dvc` at its own work: that is where the kill falls then.
                alone = kill.target == "stage" and stage in running
                pid = started[stage][0] if alone else process.pid
                if process.poll() is None and _send(kill.signal, pid, "stage" if alone else "group"):
                    found.hits.append(Hit(kill, found.command, tuple(running)))
            time.sleep(_LOOK_SECONDS)

    def _new_starts(self) -> Iterator[tuple[int, str]]:
        for path in self._starts.iterdir():
            if path.name.isdigit():
                yield int(path.name), path.read_text(encoding="utf-8").strip()
                path.unlink()


def run_killed(watched: Watched, kills: Sequence[Kill], unkilled: Mapping[str, float]) -> Outcome:
    """Start the pipeline, kill it, start it again, until it ends by itself.

    Args:
        unkilled: seconds of each stage in a run that nobody killed.

    Raises:
        AssertionError: a start failed that had not been killed.
    """
    waiting: dict[str, list[Kill]] = {}
    for kill in kills:
        waiting.setdefault(kill.stage, []).append(kill)
    outcome = Outcome([], [], Counter())
    for command in itertools.cycle(COMMANDS):
        attempt = watched.attempt(command, {stage: queue[0] for stage, queue in waiting.items() if queue}, unkilled)
        outcome.spent.update(attempt.spent)
        for hit in attempt.hits:
            waiting[hit.kill.stage].pop(0)
        outcome.hits += attempt.hits
        if attempt.code == 0:
            break
        if attempt.hits:
            continue
        if command == "dvc repro" and _HALF_WRITTEN.search(attempt.output):
            outcome.refused += 1
        else:
            hits = "\n".join(
                f"{hit.kill.stage} {hit.kill.signal.name} {hit.kill.moment()}" for hit in outcome.hits[-3:]
            )
            raise AssertionError(
                f"{command} ended with {attempt.code}, unkilled, after\n{hits}\n{attempt.output[-6000:]}"
            )
    outcome.missed = list(itertools.chain.from_iterable(waiting.values()))
    return outcome


def differences(expected: Mapping[str, dict[str, Any]], found: Mapping[str, dict[str, Any]]) -> list[str]:
    """What differs between the stages of two dvc.lock files, in words; empty when every checksum is the same."""
    lines = [f"{stage}: only in one dvc.lock" for stage in sorted(expected.keys() ^ found.keys())]
    for stage in sorted(expected.keys() & found.keys()):
        for part in ("cmd", "params", "deps", "outs"):
            ours, theirs = expected[stage].get(part), found[stage].get(part)
            if ours != theirs:
                lines.append(f"{stage}: {part} differ: {ours} against {theirs}")
    return lines


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders that a kill left among the results."""
    found = itertools.chain((folder / "data").rglob("*.tmp"), (folder / "reports").rglob("*.tmp"))
    return sorted(str(path.relative_to(folder)) for path in found)


def _alive(pid: int, target: Target) -> bool:
    return _send(0, pid, target)


def _send(sent: int, pid: int, target: Target) -> bool:
    """Send a signal; False when nobody was there to get it."""
    try:
        (os.killpg if target == "group" else os.kill)(pid, sent)
    except ProcessLookupError:
        return False
    return True
