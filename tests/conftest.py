"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from augbench.core.params import Params, parse_params

ROOT = Path(__file__).parent.parent


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def smoke() -> Params:
    """The smoke preset, validated."""
    return parse_params(yaml.safe_load((ROOT / "presets/smoke.yaml").read_text(encoding="utf-8")))


@pytest.fixture
def real_data() -> Path:
    """The folder of real images; the test is skipped, with a reason, where there is none."""
    folder = Path(os.environ.get("AUGBENCH_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real images: set AUGBENCH_REAL_DATA ({folder} does not exist)")
    return folder
