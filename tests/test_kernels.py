"""`compute.kernels`: portable kernels make the bytes of a processor without AVX-512, in every stage."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from augbench.core.kernels import PORTABLE, choose, in_force, kernels_of
from augbench.core.params import parse_params
from augbench.runtime.fingerprint import key_of
from augbench.runtime.pipeline import stages

ROOT = Path(__file__).parent.parent
CHILD = Path(__file__).parent / "kernels_child.py"
#: A processor of Intel's without AVX-512; qemu computes all its instructions itself.
EMULATED = ("qemu-x86_64", "-cpu", "Haswell")
NATIVE = {name: value for name, value in os.environ.items() if name not in PORTABLE}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back after the test; within, a shell that has set one of the variables."""
    for name in PORTABLE:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("AUGBENCH_SHELL_KERNELS", "")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")


def test_portable_sets_every_variable_and_native_is_what_the_shell_says() -> None:
    choose("portable")
    assert in_force() == PORTABLE
    # A child of a process whose study has portable kernels.
    choose("native")
    assert in_force() == {"OPENBLAS_CORETYPE": "Zen"}
    choose("portable")
    assert in_force() == PORTABLE


@pytest.mark.parametrize(
    ("text", "kernels"),
    [
        ("compute: {kernels: native}", "native"),
        ("compute: {kernels: portable}", "portable"),
        ("compute: {threads: 1}", "portable"),
        # Not read_params: what is wrong is said once, by the command itself.
        ("compute: {kernels: [native]}", "portable"),
        ("compute: native", "portable"),
        ("- 1", "portable"),
        ("a: [", "portable"),
    ],
)
def test_the_parameter_is_read_before_anything_else(text: str, kernels: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    assert kernels_of(path) == "portable"
    path.write_text(text, encoding="utf-8")
    assert kernels_of(path) == kernels


WATCH = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in {"numpy", "scipy", "torch"}:
            print(name, os.environ.get("NPY_DISABLE_CPU_FEATURES"), flush=True)
            os._exit(0)
sys.meta_path.insert(0, Watch())
from augbench.cli import main
main()
"""
STAGES = [
    "prepare",
    "train-generator x",
    "sample x",
    "audit x",
    "train-segmenter x",
    "develop x",
    "evaluate",
    "compare",
]


@pytest.mark.parametrize("kernels", ["portable", "native"])
@pytest.mark.parametrize("command", [*STAGES, "report"])
def test_every_stage_chooses_before_a_library_loads(command: str, kernels: str, tmp_path: Path) -> None:
    text = (ROOT / "studies/smoke/params.yaml").read_text(encoding="utf-8")
    written = text.replace("kernels: native", f"kernels: {kernels}")
    (tmp_path / "params.yaml").write_text(written, encoding="utf-8")
    # The other way round in the shell or in the process that started this one.
    before = PORTABLE if kernels == "native" else {}
    first = _run([sys.executable, "-c", WATCH, *command.split()], before, tmp_path)
    expected = PORTABLE["NPY_DISABLE_CPU_FEATURES"] if kernels == "portable" else None
    assert first.split(maxsplit=1)[1].strip() == str(expected)


def test_the_named_study_decides_not_the_present_folder(tmp_path: Path) -> None:
    for name, kernels in ((".", "native"), ("other", "portable")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "params.yaml").write_text(f"compute: {{kernels: {kernels}}}", encoding="utf-8")
    for words in (["--study", "other", "summary"], ["summary", "--study", "other"]):
        first = _run([sys.executable, "-c", WATCH, *words], {}, tmp_path)
        assert first.split(maxsplit=1)[1].strip() == PORTABLE["NPY_DISABLE_CPU_FEATURES"]


def test_every_stage_and_every_key_depends_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    portable, native = (
        parse_params({**content, "compute": {**content["compute"], "kernels": kernels}})
        for kernels in ("portable", "native")
    )
    for stage in stages(portable):
        assert "compute.kernels" in stage.params, stage.name
        bare = stage._replace(deps=[])
        assert key_of(bare, portable) != key_of(bare, native), stage.name


def test_they_are_portable_unless_the_study_says_another_thing() -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    # Provenance and report show all parameters.
    assert parse_params(content).model_dump()["compute"]["kernels"] == content["compute"]["kernels"]
    del content["compute"]["kernels"]
    assert parse_params(content).compute.kernels == "portable"


def _has_avx512() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "avx512f" in cpuinfo.read_text(encoding="utf-8", errors="replace")


@pytest.mark.skipif(not _has_avx512(), reason="no AVX-512 here: native kernels are portable ones")
@pytest.mark.skipif(shutil.which(EMULATED[0]) is None, reason="no qemu-x86_64 to emulate a processor without AVX-512")
def test_portable_bytes_are_those_of_a_processor_without_avx512() -> None:
    """About a minute of processor time, most of it the import of torch by the emulator."""
    here, emulated = (_digests(*launcher, variables=PORTABLE) for launcher in ((), EMULATED))
    # MKL's square root refines the processor's own approximation, which differs by maker (docs/kernels.md): the GAN has
    # one in its minibatch deviation, the segmenters have none.
    print("generator:", "the same" if here.pop("generator") == emulated.pop("generator") else "other bytes")
    assert here == emulated
    # No assertion: another maker's native kernels may happen to be the portable ones.
    print("native kernels here give", "the same" if _digests(variables={}).items() >= here.items() else "other bytes")


def _digests(*launcher: str, variables: dict[str, str]) -> Any:
    return json.loads(_run([*launcher, sys.executable, str(CHILD)], variables, ROOT))


def _run(command: list[str], variables: dict[str, str], folder: Path) -> str:
    environment = NATIVE | variables | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
