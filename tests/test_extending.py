"""docs/extending.md: its worked example is run as written."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import augbench.generators
from augbench.core.component import available, create
from augbench.core.errors import UserError
from augbench.core.types import SYNTHETIC_COLUMNS, Frames, LabelScheme
from augbench.generators.base import FitContext, Generator

PAGE = (Path(__file__).parent.parent / "docs" / "extending.md").read_text(encoding="utf-8")


@pytest.fixture
def shifter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page's generator in a folder of its own that the registry sees."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "shifter").mkdir()
    (tmp_path / "shifter/__init__.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(augbench.generators, "__path__", [*augbench.generators.__path__, str(tmp_path)])
    yield "shifter"
    sys.modules.pop("augbench.generators.shifter", None)


def test_the_worked_example_is_found_fitted_and_restored(shifter: str) -> None:
    assert shifter in available(Generator)
    (params,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    entry = yaml.safe_load(params.replace("*unet", "unet"))["generators"][shifter]
    assert entry.pop("kind") == shifter
    options = {key: value for key, value in entry.items() if key not in ("cohort", "seeds")}
    pairs = np.random.default_rng(0).integers(0, 255, (4, 2, 8, 8), dtype=np.uint8)
    table = pd.DataFrame({"view": ["sax", "sax", "4ch", "4ch"]}).reindex(columns=list(SYNTHETIC_COLUMNS))
    frames = Frames(pairs, table, LabelScheme(("LV",), {"sax": ("LV",), "4ch": ("LV",)}))
    generator = create(Generator, shifter, options)
    fitted = generator.fit(frames, FitContext(seed=1))
    views, seeds = ["4ch", "sax", "4ch"], np.array([5, 6, 7])
    sampled = fitted.sample(views, seeds)
    assert sampled.shape == (3, 2, 8, 8)
    restored = generator.restore(*fitted.state(), accelerator="cpu")
    assert np.array_equal(restored.sample(views[1:], seeds[1:]), sampled[1:])
    # Each is a shifted training frame of its view: the same grey values, in another place.
    for pair, view in zip(sampled, views, strict=True):
        values = np.sort(pair[0], axis=None)
        members = pairs[np.asarray(frames.views) == view]
        assert any(np.array_equal(values, np.sort(member[0], axis=None)) for member in members)
    with pytest.raises(UserError, match="2ch"):
        fitted.sample(["2ch"], seeds[:1])


def test_every_generator_is_a_folder_as_the_page_says() -> None:
    for kind in available(Generator):
        assert any((Path(path) / kind / "__init__.py").is_file() for path in augbench.generators.__path__), kind
