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
    TRAINING,
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


_ARM = "arms.generated.pggan-synthetic"
_REAL = "arms.patients.real"
_COHORTS = "dataset.cohorts"


def _oracle(_: Path, content: dict[str, Any]) -> None:
    content["generators"]["oracle"] = {"kind": "oracle", "cohort": "generator", "seeds": [0]}


def _same_arm_twice(_: Path, content: dict[str, Any]) -> None:
    content["arms"]["generated"]["real"] = content["arms"]["generated"]["memoriser"]


#: Of every section: a misspelt key, a wrong type, a value out of range; then what no single key can show.
PARAMETERS = {
    "misspelt section": Bad(edit("traning", {}), "unknown parameter 'traning'", "did you mean 'training'"),
    "misspelt component parameter": Bad(
        edit("dataset.crop_fracton", 0.5), "crop_fracton'", "did you mean 'crop_fraction'"
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
    "dataset without a kind": Bad(_remove("dataset.kind"), "parameter 'dataset.kind' is missing"),
    "no cohort": _out_of_range(_COHORTS, {}),
    "cohort whose name is a path": _out_of_range(f"{_COHORTS}.a/b", {"dataset": TRAINING.name}),
    "image_size is fractional": _out_of_range("image_size", 63.5),
    "image_size is too small": _out_of_range("image_size", 8),
    "image_size is too large": _out_of_range("image_size", 4096),
    "image_size does not fit the network": Bad(edit("image_size", 24), "multiple of 16|power of two"),
    "image_size is beyond a generator's channels": Bad(edit("image_size", 128), "no channels given", "channels"),
    "views is empty": _out_of_range("views", []),
    "views is text": _out_of_range("views", "sax"),
    "view twice": Bad(edit("views", ["sax", "sax"]), "views lists a value twice"),
    "views that differ in case alone": Bad(edit("views", ["sax", "SAX"]), "differ in upper and lower case"),
    "view that is a path": _out_of_range("views", ["../sax"]),
    "view without frames": Bad(edit("views", ["4ch"]), "view 4ch has no frames"),
    "cohort of a generator unknown": Bad(
        edit("generators.pggan.cohort", "genrator"), "generators.pggan.cohort names", "did you mean 'generator'"
    ),
    "cohort of an arm unknown": Bad(
        edit(f"{_ARM}.cohort", "segmentr"), "arms.generated.pggan-synthetic.cohort names", "did you mean 'segmenter'"
    ),
    "cohort of the audit unknown": Bad(edit("audit.held_out", "interal"), "audit.held_out names", "'internal'"),
    "cohort of choices unknown": Bad(edit("evaluation.development", ["dev"]), r"evaluation.development\[0\] names"),
    "external cohort unknown": Bad(edit("evaluation.external", "extern"), "evaluation.external names", "'external'"),
    "an arm trains on the external cohort": Bad(edit(f"{_REAL}.cohort", "external"), "uses the external cohort"),
    "a generator learns from the external cohort": Bad(
        edit("generators.memoriser.cohort", "external"), "generators.memoriser.cohort uses the external cohort"
    ),
    "choices on the external cohort": Bad(edit("evaluation.development", ["external"]), "uses the external cohort"),
    "audit against the external cohort": Bad(edit("audit.held_out", "external"), "uses the external cohort"),
    "audit against patients a generator saw": Bad(edit("audit.held_out", "generator"), "a generator learns from"),
    "generator seed twice": Bad(edit("generators.pggan.seeds", [3, 3]), "generators.pggan.seeds lists a value twice"),
    "no generator seed": _out_of_range("generators.pggan.seeds", []),
    "segmenter seed twice": Bad(edit(f"{_REAL}.seeds", [0, 1, 0]), "arms.patients.real.seeds lists a value twice"),
    "no segmenter seed": _out_of_range(f"{_REAL}.seeds", []),
    "segmenter seed is negative": _out_of_range(f"{_REAL}.seeds", [-1]),
    "segmenter seeds are true and false": _out_of_range(f"{_REAL}.seeds", [True, False]),
    "sampling.frames is 0": _out_of_range("sampling.frames", 0),
    "sampling.frames is infinite": _out_of_range("sampling.frames", float("inf")),
    "generator of an arm unknown": Bad(
        edit(f"{_ARM}.synthetic", "pgan"), "arms.generated.pggan-synthetic.synthetic names", "did you mean 'pggan'"
    ),
    "arm without a role": Bad(_remove(f"{_ARM}.role"), "role' is missing"),
    "role unknown": Bad(edit(f"{_ARM}.role", "studid"), _not_valid(f"{_ARM}.role"), "did you mean 'studied'"),
    "regime unknown": Bad(edit(f"{_ARM}.regime.kind", "mixd"), "'mixd' among regimes", "did you mean 'mixed'"),
    "regime without a generator's frames": Bad(
        edit(f"{_REAL}.regime", {"kind": "synthetic"}), "arm 'real' has no synthetic frames", "arms.generated"
    ),
    "regime that leaves the generator out": Bad(
        edit(f"{_ARM}.regime", {"kind": "real"}), "arm 'pggan-synthetic' has synthetic frames", "arms.patients"
    ),
    "synthetic regime with a parameter": Bad(
        edit(f"{_ARM}.regime", {"kind": "synthetic", "dose": 1}),
        "unknown parameter 'arms.generated.pggan-synthetic.regime.dose'",
    ),
    "dose is 0": Bad(edit("arms.generated.pggan-mixed-1.regime.synthetic_per_real", 0), "synthetic_per_real'"),
    "dose is not a number": Bad(
        edit("arms.generated.pggan-mixed-1.regime.synthetic_per_real", float("nan")), "synthetic_per_real'"
    ),
    "pre-training that never ends": Bad(edit("arms.generated.pggan-pretrain.regime.fraction", 1.0), "fraction'"),
    "two arms of one name": Bad(_same_arm_twice, "two arms are called 'real'"),
    "no reference arm": Bad(edit(f"{_REAL}.role", "opponent"), "one reference arm", "0 arms of role 'reference'"),
    "two reference arms": Bad(edit(f"{_ARM}.role", "reference"), "one reference arm", "real, pggan-synthetic"),
    "primary arm unknown": Bad(
        edit("comparison.primary.arm", "pggan-synthtic"), "comparison.primary.arm names", "did you mean 'pggan-synth"
    ),
    "primary arm is the reference": Bad(edit("comparison.primary.arm", "real"), "compares the reference arm with its"),
    "arm whose name is a path": Bad(
        lambda _, content: content["arms"]["patients"].update({"../x": content["arms"]["patients"]["real"]}),
        r"'arms.patients.../x.*' is not valid",
    ),
    "training.steps is text": Bad(edit("training.steps", "many"), _not_valid("training.steps"), "valid integer"),
    "training.steps is 0": _out_of_range("training.steps", 0),
    "training.batch_size is 1": _out_of_range("training.batch_size", 1),
    "training.learning_rate is 10": _out_of_range("training.learning_rate", 10),
    "training.learning_rate is not a number": _out_of_range("training.learning_rate", float("nan")),
    "training.weight_decay is negative": _out_of_range("training.weight_decay", -0.1),
    "training.selection unknown": Bad(edit("training.selection", "worst"), _not_valid("training.selection"), "'best'"),
    "best weights without validation patients": Bad(
        lambda _, content: (
            content["training"].update(selection="best"),
            content["dataset"]["cohorts"]["segmenter"].update(validation_fraction=0.0),
        ),
        "no validation patients", "validation_fraction",
    ),
    "augmentation.probability is 2": _out_of_range("augmentation.probability", 2),
    "augmentation.gamma is 0": _out_of_range("augmentation.gamma", 0),
    "augmentation.rotation_deg is a list": _out_of_range("augmentation.rotation_deg", [5]),
    "audit.frames is 1": _out_of_range("audit.frames", 1),
    "audit network unknown": Bad(edit("audit.network", "pggan-synthetic"), "audit.network names", "arms.patients"),
    "audit features without a network": Bad(edit("audit.network", None), "need a network"),
    "margin is negative": _out_of_range("comparison.margins.dice", -0.01),
    "margin of a metric that is not scored": Bad(
        edit("comparison.margins", {"dcie": 0.01}), "not scored: dcie", "dice"
    ),
    "primary metric without a margin": Bad(edit("comparison.primary.metric", "hd95"), "no equivalence margin"),
    "primary metric not scored": Bad(
        edit("comparison.primary.metric", "dcie"), "comparison.primary.metric names", "did you mean 'dice'"
    ),
    "alpha is 0.5": _out_of_range("comparison.alpha", 0.5),
    "accelerator unknown": Bad(edit("compute.accelerator", "tpu"), _not_valid("compute.accelerator"), "'cpu' or 'gpu'"),
    "accelerator by another name": Bad(
        edit("compute.accelerator", "cuda"), _not_valid("compute.accelerator"), "did you mean 'gpu'"
    ),
    "threads is 0": _out_of_range("compute.threads", 0),
    "kernels unknown": Bad(
        edit("compute.kernels", "portabel"), _not_valid("compute.kernels"), "did you mean 'portable'"
    ),
    "kernels are a number": Bad(edit("compute.kernels", 2), _not_valid("compute.kernels"), "'portable' or 'native'"),
    "dataset kind unknown": Bad(edit("dataset.kind", "nunet"), "'nunet' among datasets", "did you mean 'nnunet'"),
    "dataset field out of range": Bad(edit("dataset.channel", -1), _not_valid("dataset.channel")),
    "dataset field infinite": Bad(
        edit("dataset.nominal_field_of_view_mm", float("inf")), _not_valid("dataset.nominal_field_of_view_mm")
    ),
    "cohort field unknown": Bad(edit(f"{_COHORTS}.external.shre", 0.5), "shre", "unknown parameter"),
    "generator kind unknown": Bad(
        edit("generators.pggan.kind", "pgan"), "'pgan' among generators", "did you mean 'pggan'"
    ),
    "generator field is text": Bad(edit("generators.pggan.total_kimg", "long"), "total_kimg' is not valid"),
    "generator field out of range": Bad(edit("generators.pggan.channels", []), "channels' is not valid"),
    "segmenter kind unknown": Bad(
        edit("segmenters.unet.kind", "monai_unt"), "'monai_unt' among segmenters", "did you mean 'monai_unet'"
    ),
    "segmenter kind of an arm unknown": Bad(
        edit(f"{_REAL}.segmenter.kind", "nnunet"), "'nnunet' among segmenters", "smp_unet"
    ),
    "segmenter features too few": Bad(edit(f"{_REAL}.segmenter.features", [8] * 5), r"features\.5' is missing"),
    "segmenter features are 0": Bad(edit(f"{_REAL}.segmenter.features", [0, 8, 8, 8, 8, 8]), "features.* is not valid"),
    "labelling unknown": Bad(
        edit("labelling", {"x": {"images": "data/synthetic/pggan", "kind": "psuedo", "source": "data/models/real"}}),
        "'psuedo' among labelling",
        "did you mean 'pseudo'",
    ),
    "labelling of an earlier augbench": Bad(edit("labelling", "joint"), "no longer one word", "labelling: {}"),
    "labels from a folder of a stage": Bad(
        edit("labelling", {"x": {"images": "data/synthetic/pggan", "kind": "manual", "source": "data/models/real"}}),
        "where a stage would delete them",
    ),
    "score unknown": Bad(edit("evaluation.metrics.dicee", {}), "'dicee' among scores", "did you mean 'dice'"),
    "score parameter wrong": Bad(
        edit("evaluation.metrics.nsd", {"tolerance_mm": -1}), _not_valid("evaluation.metrics.nsd")
    ),
    "audit among the scores": Bad(edit("evaluation.metrics.kid", {}), "'kid' among scores"),
    "score among the audits": Bad(edit("audit.metrics.dice", {}), "'dice' among audit"),
    "no score": _out_of_range("evaluation.metrics", {}),
    "feature unknown": Bad(edit("audit.features.pixel", {}), "'pixel' among audit", "did you mean 'pixels'"),
    "missing folder": Bad(edit("dataset.root", "nowhere"), "no folder nowhere"),
    "missing dataset": Bad(edit(f"{_COHORTS}.external.dataset", "Dataset009_None"), "Dataset009_None is missing"),
    "no external patients": Bad(
        lambda folder, _: [file.unlink() for file in (folder / EXTERNAL).glob("*Tr/*")], "dataset is empty"
    ),
    "more external patients than there are": Bad(
        edit(f"{_COHORTS}.external.subjects", 99), "not enough patients", "external 99"
    ),
    "oracle with real images": Bad(_oracle, "draws fresh patients", "remove 'oracle'"),
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
    "key twice": (b"seed: 1\nseed: 2", "key 'seed' occurs twice"),
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


REAL = ["train-segmenter", "real"]
MIXED = ["train-segmenter", "pggan-mixed-1", "--run", "0-0"]
NEW = ["new", "mine", "--like", "smoke"]
SEGMENTER = Path("data/cohort/segmenter")


def _edit_table(workspace: Path) -> None:
    table = pd.read_csv(workspace / SEGMENTER / "frames.csv")
    table.assign(subject_id="one").to_csv(workspace / SEGMENTER / "frames.csv", index=False)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _nothing(_: Path) -> None:
    pass


COMMANDS = {
    "too few synthetic frames": (MIXED, _nothing, r"more frames than were sampled[\s\S]*at least 20"),
    "subject in two splits": (REAL, _edit_table, "in two splits"),
    "damaged shard": (
        REAL, lambda folder: _cut(folder / SEGMENTER / "00000.npy"), r"damaged[\s\S]*00000\.npy",
    ),
    "no cohort": (
        REAL, lambda folder: shutil.rmtree(folder / SEGMENTER), r"manifest\.json is missing[\s\S]*dvc repro",
    ),
    "run that the arm does not have": ([*REAL, "--run", "7"], _nothing, r"'real' has no run '7'[\s\S]*0, 1"),
    "arm unknown": (["train-segmenter", "reel"], _nothing, r"no arm 'reel'[\s\S]*did you mean 'real'"),
    "arm that escapes": (["train-segmenter", "../x"], _nothing, r"no arm '../x'"),
    "run of an arm with a generator": (
        ["train-segmenter", "pggan-mixed-1", "--run", "7-0"], _nothing, r"has no run '7-0'[\s\S]*0-0, 0-1, 1-0, 1-1",
    ),
    "no fitted generator": (["sample", "pggan"], _nothing, r"generator\.safetensors is missing"),
    "generator unknown": (["train-generator", "pgan"], _nothing, r"no generator 'pgan'[\s\S]*did you mean 'pggan'"),
    "generator that escapes": (["sample", "../x"], _nothing, "no generator '../x'"),
    "audit of an unknown generator": (["audit", "pgan"], _nothing, "no generator 'pgan'"),
    "frames of an unknown labelling": (["export-frames", "pgan", "0"], _nothing, "no labelling 'pgan'"),
    "masks of an unknown labelling": (["label", "pgan"], _nothing, "no labelling 'pgan'"),
    "choices on an unknown cohort": (["develop", "external"], _nothing, "not made on cohort 'external'"),
    "study unknown": (["new", "mine", "--like", "smok"], _nothing, r"no study 'smok'[\s\S]*did you mean 'smoke'"),
    "study that escapes": (["new", "mine", "--like", "../params"], _nothing, r"no study '../params'"),
    "name with a slash": (["new", "a/b", "--like", "smoke"], _nothing, "invalid study name"),
    "name that escapes": (["new", "..", "--like", "smoke"], _nothing, "invalid study name"),
    "name that exists": (["new", "there", "--like", "smoke"], _nothing, r"there exists[\s\S]*nothing is ever"),
    "setting of an unknown key": (
        [*NEW, "--set", "training.step=3"], _nothing, r"has no 'training.step'[\s\S]*did you mean 'steps'",
    ),
    "setting of an impossible value": ([*NEW, "--set", "training.steps=0"], _nothing, "'training.steps' is not valid"),
    "setting that contradicts another part": (
        [*NEW, "--set", "evaluation.external=internal"], _nothing, "uses the external cohort",
    ),
    "setting of a component's parameter": (
        [*NEW, "--set", "generators.pggan.channels=[]"], _nothing, "channels' is not valid",
    ),
    "setting without a value": ([*NEW, "--set", "training.steps"], _nothing, "--set takes KEY=VALUE"),
    "setting that is no YAML": ([*NEW, "--set", "views=["], _nothing, "the value of 'views' is not YAML"),
    "setting twice": ([*NEW, "--set", "seed=1", "--set", "seed=2"], _nothing, "--set names 'seed' twice"),
    "setting of what is shared": (
        [*NEW, "--set", "arms.patients.real.segmenter.features=[8]"], _nothing, "written elsewhere and shared",
    ),
    "a try with an unknown key": (["repro", "--set", "sed=3"], _nothing, r"has no 'sed'[\s\S]*did you mean 'seed'"),
    "study folder that is not there": (
        ["check", "--study", "studies/ther"], _nothing, r"no study in [\s\S]*did you mean .studies/there",
    ),
    "study folder without params.yaml": (["--study", "data", "check"], _nothing, r"no study in 'data'[\s\S]*studies/"),
    "no results": (["summary"], _nothing, r"\.csv is missing"),
    "nothing to draw a graph of": (["dag"], _nothing, r"dvc\.yaml is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("command", "spoil", "says"), COMMANDS.values(), ids=COMMANDS.keys())
def test_bad_commands(command: list[str], spoil: Any, says: str, tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "studies/smoke/params.yaml").read_text(encoding="utf-8"))
    content["arms"]["generated"]["pggan-mixed-1"]["regime"]["synthetic_per_real"] = 5
    write_params(tmp_path, content)
    (tmp_path / ".git").mkdir()
    shutil.copy(ROOT / "studies/smoke/study.yaml", tmp_path)
    shutil.copytree(ROOT / "studies/smoke", tmp_path / "studies/there", symlinks=True)
    _cohort(tmp_path / SEGMENTER, ["train"] * 4 + ["validation"] * 2)
    _synthetic(tmp_path / "data/synthetic/pggan/0", 3)
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
