"""Bad parameters and commands: one message, exit code 2, earlier outputs untouched."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from bad_input import (
    EXTERNAL,
    ROOT,
    Bad,
    Spoil,
    earlier_results,
    edit,
    imported,
    refused,
    require_refusal,
    run,
    write_params,
)

from augbench.core.shards import write_shards
from augbench.core.types import FRAME_COLUMNS, SYNTHETIC_COLUMNS, Frames, LabelScheme

SCHEME = LabelScheme(("LV",), {"sax": ("LV",)})


def _remove(path: str) -> Spoil:
    def spoil(_: Path, content: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        section = content
        for key in parents:
            section = section[key]
        del section[last]

    return spoil


def _not_valid(key: str) -> str:
    return rf"parameter '{re.escape(key)}.*' is not valid"


def _out_of_range(path: str, value: object) -> Bad:
    return Bad(edit(path, value), _not_valid(path))


#: Of every section: a misspelt key, a wrong type, a value out of range; then what no single key can show.
PARAMETERS = {
    "misspelt section": Bad(edit("traning", {}), "unknown parameter 'traning'", "did you mean 'training'"),
    "misspelt component parameter": Bad(
        edit("datasets.nnunet.crop_fracton", 0.5), "crop_fracton'", "did you mean 'crop_fraction'"
    ),
    "missing section": Bad(_remove("audit"), "parameter 'audit' is missing"),
    "missing key": Bad(_remove("training.steps"), "parameter 'training.steps' is missing"),
    "section is a list": Bad(edit("training", [1]), _not_valid("training")),
    "section is empty": Bad(edit("sampling", None), _not_valid("sampling")),
    "seed is text": _out_of_range("seed", "two thousand"),
    "seed is negative": _out_of_range("seed", -1),
    "seed is huge": _out_of_range("seed", 10**40),
    "seed is true": Bad(edit("seed", True), _not_valid("seed"), "true or false"),
    "dataset is a number": _out_of_range("dataset", 7),
    "image_size is fractional": _out_of_range("image_size", 63.5),
    "image_size is too small": _out_of_range("image_size", 8),
    "image_size is too large": _out_of_range("image_size", 4096),
    "image_size does not fit the network": Bad(edit("image_size", 24), "multiple of 16"),
    "views is empty": _out_of_range("views", []),
    "views is text": _out_of_range("views", "sax"),
    "view twice": Bad(edit("views", ["sax", "sax"]), "views lists a value twice"),
    "view without frames": Bad(edit("views", ["4ch"]), "view 4ch has no frames"),
    "generator_cohort unknown": Bad(edit("generator_cohort", "genrator"), _not_valid("generator_cohort"), "segmenter"),
    "compared is empty": _out_of_range("compared", []),
    "generator seed twice": Bad(edit("generator_seeds", [3, 3]), "generator_seeds lists a value twice"),
    "segmenter seed twice": Bad(edit("segmenter_seeds", [0, 1, 0]), "segmenter_seeds lists a value twice"),
    "no segmenter seed": _out_of_range("segmenter_seeds", []),
    "segmenter seed is negative": _out_of_range("segmenter_seeds", [-1]),
    "segmenter seeds are true and false": _out_of_range("segmenter_seeds", [True, False]),
    "sampling.frames is 0": _out_of_range("sampling.frames", 0),
    "sampling.frames is infinite": _out_of_range("sampling.frames", float("inf")),
    "regime unknown": Bad(edit("regimes.mixd", {}), "unknown parameter 'regimes.mixd'", "did you mean 'mixed'"),
    "synthetic regime with a parameter": _out_of_range("regimes.synthetic", {"dose": 1}),
    "dose is 0": _out_of_range("regimes.mixed.synthetic_per_real", [0]),
    "dose is not a number": _out_of_range("regimes.mixed.synthetic_per_real", [float("nan")]),
    "dose twice": Bad(edit("regimes.mixed.synthetic_per_real", [1, 1]), "lists a dose twice"),
    "training.steps is text": Bad(edit("training.steps", "many"), _not_valid("training.steps"), "valid integer"),
    "training.steps is 0": _out_of_range("training.steps", 0),
    "training.batch_size is 1": _out_of_range("training.batch_size", 1),
    "training.learning_rate is 10": _out_of_range("training.learning_rate", 10),
    "training.learning_rate is not a number": _out_of_range("training.learning_rate", float("nan")),
    "training.weight_decay is negative": _out_of_range("training.weight_decay", -0.1),
    "training.selection unknown": Bad(edit("training.selection", "worst"), _not_valid("training.selection"), "'best'"),
    "augmentation.probability is 2": _out_of_range("augmentation.probability", 2),
    "augmentation.gamma is 0": _out_of_range("augmentation.gamma", 0),
    "augmentation.rotation_deg is a list": _out_of_range("augmentation.rotation_deg", [5]),
    "audit.frames is 1": _out_of_range("audit.frames", 1),
    "margin is negative": _out_of_range("comparison.margins.dice", -0.01),
    "margin of a metric that is not scored": Bad(
        edit("comparison.margins", {"dcie": 0.01}), "not scored: dcie", "dice"
    ),
    "alpha is 0.5": _out_of_range("comparison.alpha", 0.5),
    "bootstrap is 10": _out_of_range("comparison.bootstrap", 10),
    "accelerator unknown": Bad(edit("compute.accelerator", "tpu"), _not_valid("compute.accelerator"), "'cpu' or 'gpu'"),
    "threads is 0": _out_of_range("compute.threads", 0),
    "dataset unknown": Bad(
        edit("datasets", {"nnunett": {}}), "dataset 'nnunet' has no section in datasets", "nnunett"
    ),
    "dataset section unknown": Bad(edit("datasets.nunet", {}), "'nunet' among datasets", "did you mean 'nnunet'"),
    "dataset field out of range": Bad(edit("datasets.nnunet.channel", -1), _not_valid("datasets.nnunet.channel")),
    "dataset field infinite": Bad(
        edit("datasets.nnunet.nominal_field_of_view_mm", float("inf")),
        _not_valid("datasets.nnunet.nominal_field_of_view_mm"),
    ),
    "generator unknown": Bad(
        lambda _, content: content.update(
            generators={"pgan": {}, "memoriser": {}}, compared=["pgan"], controls=["memoriser"]
        ),
        "unknown name 'pgan' among generators", "did you mean 'pggan'",
    ),
    "generator not chosen": Bad(edit("compared", ["pggann"]), "do not name every generator exactly once"),
    "generator field is text": _out_of_range("generators.pggan.total_kimg", "long"),
    "generator field out of range": _out_of_range("generators.pggan.channels", []),
    "segmenter unknown": Bad(edit("segmenters", {"monai_unett": {}}), "segmenter 'monai_unet' has no section"),
    "segmenter section unknown": Bad(edit("segmenters.monai_unt", {}), "monai_unt", "did you mean 'monai_unet'"),
    "segmenter features too few": Bad(edit("segmenters.monai_unet.features", [8] * 5), r"features\.5' is missing"),
    "segmenter features are 0": _out_of_range("segmenters.monai_unet.features", [0, 8, 8, 8, 8, 8]),
    "labelling unknown": Bad(edit("labelling", "jiont"), "'jiont' among labelling", "did you mean 'joint'"),
    "metric unknown": Bad(edit("evaluation.metrics.dicee", {}), "'dicee' among metrics", "did you mean 'dice'"),
    "metric parameter wrong": Bad(edit("evaluation.metrics.nsd", {"tolerance_mm": -1}), _not_valid("metrics.nsd")),
    "metric of the audit among the scores": Bad(edit("evaluation.metrics.kid", {}), "'kid' does not belong"),
    "score among the metrics of the audit": Bad(edit("audit.metrics.dice", {}), "'dice' does not belong"),
    "no Dice": Bad(
        lambda _, content: (content["evaluation"]["metrics"].pop("dice"), content["comparison"]["margins"].clear()),
        "evaluation.metrics has no dice",
    ),
    "feature unknown": Bad(edit("audit.features.pixel", {}), "'pixel' among features", "did you mean 'pixels'"),
    "missing folder": Bad(edit("datasets.nnunet.root", "nowhere"), "no folder nowhere"),
    "missing dataset": Bad(edit("datasets.nnunet.external_dataset", "Dataset009_None"), "Dataset009_None is missing"),
    "no external patients": Bad(
        lambda folder, _: [file.unlink() for file in (folder / EXTERNAL).glob("*Tr/*")], "dataset is empty"
    ),
    "more external patients than there are": Bad(
        edit("datasets.nnunet.external_subjects", 99), "not enough patients", "external 99"
    ),
    "oracle with real images": Bad(
        lambda _, content: (content["generators"].update(oracle={}), content["controls"].append("oracle")),
        "cannot draw fresh subjects", "remove 'oracle'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("bad", PARAMETERS.values(), ids=PARAMETERS.keys())
def test_bad_parameters(bad: Bad, tmp_path: Path) -> None:
    content = imported(tmp_path)
    earlier_results(tmp_path)
    bad.spoil(tmp_path, content)
    write_params(tmp_path, content)
    message = refused(tmp_path, "prepare")
    assert re.search(bad.says, message), message
    assert re.search(bad.also, message), message


TEXTS = {
    "no file": (None, "params.yaml is missing"),
    "empty": (b"", "file holds no parameters"),
    "a list": (b"- 1", "file holds no parameters"),
    "unclosed bracket": (b"seed: [", "file is not valid YAML"),
    "tab as indent": (b"training:\n\tsteps: 3", "file is not valid YAML"),
    "not UTF-8": (b"seed: \xff\xfe", "file is not valid YAML"),
    "number as key": (b"1: 2", "must be text"),
    "key twice": (b"seed: 1\nseed: 2", "key 'seed' stands twice"),
    "object tag": (b"seed: !!python/object/apply:os.system ['touch harm']", "could not determine a constructor"),
    "alias of itself": (b"seed: &a [*a]", "alias holds itself"),
    "bomb of aliases": (
        b"a: &a [1,1,1,1,1,1,1,1,1]\n"
        + b"".join(b"%c: &%c [%s]\n" % (k, k, b",".join([b"*%c" % (k - 1)] * 9)) for k in range(98, 108)),
        "once aliases are followed",
    ),
    "too deep": (b"seed: " + b"[" * 60 + b"]" * 60, "50 levels"),
    "too large": (b"#" * 300_000, "more than 200000"),
    "13th month": (b"seed: 2020-13-45", "file is not valid YAML"),
    "tag that does not fit": (b"seed: !!int many", "file is not valid YAML"),
}


@pytest.mark.parametrize(("text", "says"), TEXTS.values(), ids=TEXTS.keys())
def test_bad_params_file(text: bytes | None, says: str, tmp_path: Path) -> None:
    earlier_results(tmp_path)
    if text is not None:
        (tmp_path / "params.yaml").write_bytes(text)
    for command in ("prepare", "check", "repro"):
        assert re.search(says, refused(tmp_path, command))


def _cohort(folder: Path, splits: list[str], size: int = 32) -> None:
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, 2, (len(splits), 2, size, size), dtype=np.uint8)
    table = pd.DataFrame({column: [f"{column}-{i}" for i in range(len(splits))] for column in FRAME_COLUMNS})
    table = table.assign(view="sax", spacing_mm=1.0, split=splits)
    write_shards(folder, [pairs], table, SCHEME)


def _synthetic(folder: Path, count: int) -> None:
    pairs = np.zeros((count, 2, 32, 32), np.uint8)
    table = pd.DataFrame({"frame_id": [str(i) for i in range(count)]}).reindex(columns=list(SYNTHETIC_COLUMNS))
    frames = Frames(pairs, table.assign(view="sax", spacing_mm=1.0, frame_seed=0), SCHEME)
    write_shards(folder, [frames.pairs], frames.table, SCHEME)


MIXED = ["train-segmenter", "mixed", "0", "--generator", "pggan", "--generator-seed", "0", "--synthetic-per-real"]
SEGMENTER = Path("data/cohort/segmenter")


def _edit_table(workspace: Path) -> None:
    table = pd.read_csv(workspace / SEGMENTER / "frames.csv")
    table.assign(subject_id="one").to_csv(workspace / SEGMENTER / "frames.csv", index=False)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _nothing(_: Path) -> None:
    pass


COMMANDS = {
    "too few synthetic frames": ([*MIXED, "5"], _nothing, r"more frames than were sampled[\s\S]*at least 20"),
    "subject in two splits": (["train-segmenter", "real", "0"], _edit_table, "in two splits"),
    "damaged shard": (
        ["train-segmenter", "real", "0"], lambda folder: _cut(folder / SEGMENTER / "00000.npy"),
        r"damaged[\s\S]*00000\.npy",
    ),
    "no cohort": (
        ["train-segmenter", "real", "0"], lambda folder: shutil.rmtree(folder / SEGMENTER),
        r"manifest\.json is missing[\s\S]*dvc repro",
    ),
    "run that params.yaml does not make": (["train-segmenter", "real", "7"], _nothing, "makes no run 'real-7'"),
    "regime unknown": (["train-segmenter", "reel", "0"], _nothing, r"no run 'reel-0'[\s\S]*did you mean 'real-0'"),
    "dose that params.yaml does not make": ([*MIXED, "2"], _nothing, r"no run 'pggan-mixed-2-0-0'[\s\S]*did you mean"),
    "dose is text": ([*MIXED, "much"], _nothing, "is no number"),
    "dose is infinite": ([*MIXED, "inf"], _nothing, "makes no run"),
    "no fitted generator": (["sample", "pggan", "0"], _nothing, r"generator\.safetensors is missing"),
    "generator unknown": (["train-generator", "pgan", "0"], _nothing, "no generator 'pgan' with seed 0"),
    "generator that escapes": (["sample", "../x", "0"], _nothing, "no generator '../x' with seed 0"),
    "frames of an unknown generator": (["export-frames", "pgan", "0"], _nothing, "no generator 'pgan' with seed 0"),
    "generator seed unknown": (["audit", "pggan", "9"], _nothing, "no generator 'pggan' with seed 9"),
    "preset unknown": (["preset", "papr"], _nothing, r"unknown preset 'papr'[\s\S]*did you mean 'paper'"),
    "preset that escapes": (["preset", "../params"], _nothing, r"unknown preset '../params'"),
    "no raw folder": (["preset", "acdc", "--raw-data", "nowhere"], _nothing, "nowhere"),
    "nothing to inspect": (["inspect"], _nothing, "nothing to inspect"),
    "no results": (["summary"], _nothing, r"comparison\.csv is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("command", "spoil", "says"), COMMANDS.values(), ids=COMMANDS.keys())
def test_bad_commands(command: list[str], spoil: Any, says: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    content = yaml.safe_load((ROOT / "presets/smoke.yaml").read_text(encoding="utf-8"))
    content["regimes"]["mixed"]["synthetic_per_real"] = [5]
    write_params(tmp_path, content)
    _cohort(tmp_path / SEGMENTER, ["train"] * 4 + ["validation"] * 2)
    _synthetic(tmp_path / "data/synthetic/pggan-0", 3)
    spoil(tmp_path)
    message = refused(tmp_path, *command)
    assert re.search(says, message), message


@pytest.mark.parametrize("command", ["check", "repro", "inspect"])
def test_the_same_through_a_process_of_its_own(command: str, tmp_path: Path) -> None:
    """The installed entry point, not only the function behind it."""
    content = imported(tmp_path) | {"traning": {}}
    write_params(tmp_path, content)
    done = subprocess.run(
        [sys.executable, "-c", "from augbench.cli import main; main()", command],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    require_refusal(done.returncode, done.stderr)
    assert done.stdout == ""


def test_debug_shows_where_it_came_from(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"params\.yaml is missing"):
        run(tmp_path, "--debug", "check")
