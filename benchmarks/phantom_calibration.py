"""The phantom beside real cine MR: contrast, area ratios, spread within a structure, and volumes.

    python benchmarks/phantom_calibration.py                        # the table of docs/phantom.md
    python benchmarks/phantom_calibration.py --sheet docs/images/phantom.png

Real values come from `real_statistics.json` in $AUGBENCH_REAL_DATA or ../shared/data; without it
only the phantom is printed.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from augbench.datasets.tof_phantom.chambers import volumes_ml
from augbench.datasets.tof_phantom.render import ANNOTATED, STRUCTURES, render, subject_of
from augbench.datasets.tof_phantom.sites import SITES, Site

_SEED, _SUBJECTS, _IMAGE_SIZE = 20, 60, 128
#: Body surface area of a phantom patient of size 1, m2: 1.70 m and 65 kg (Du Bois).
_BSA_M2 = 1.75
_LV, _MYO, _RV = (STRUCTURES.index(name) + 1 for name in ("LV", "MYO", "RV"))
#: RV volumes of repaired Tetralogy of Fallot, patch and conduit: JMRI 2007;26:934-940.
_TOF_RV_INDEX = "154 ± 53 / 133 ± 51 (ToF)"
_TOF_RV_EF = "50 ± 9 / 47 ± 12 (ToF)"

Samples = dict[str, list[float]]


def phantom_samples(site: Site) -> Samples:
    """Values over subjects of a site: contrast from sax and 4ch at ED and ES, areas from sax, model volumes."""
    values: Samples = {}

    def add(name: str, value: float) -> None:
        values.setdefault(name, []).append(value)

    for number in range(_SUBJECTS):
        name = f"calibration-{number}"
        for view in ("sax", "4ch"):
            for phase in (0.0, 1.0):
                image, label = render(_SEED, site, name, view, phase, _IMAGE_SIZE).astype(np.float64)
                pixels = {k: image[label == k] for k in (_LV, _MYO, _RV)}
                add("blood / myocardium", pixels[_LV].mean() / pixels[_MYO].mean())
                add("RV / LV signal", pixels[_RV].mean() / pixels[_LV].mean())
                for k, structure in ((_LV, "LV"), (_MYO, "MYO"), (_RV, "RV")):
                    add(f"sd / mean, {structure}", pixels[k].std() / pixels[k].mean())
                if view == "sax":
                    add("RV / LV area", len(pixels[_RV]) / len(pixels[_LV]))
                    add("MYO / LV area", len(pixels[_MYO]) / len(pixels[_LV]))
        subject = subject_of(_SEED, site, name)
        first, last = volumes_ml(subject, 0.0), volumes_ml(subject, 1.0)
        surface = _BSA_M2 * subject.size**2
        for moment, volume in (("ED", first), ("ES", last)):
            add(f"MYO / LV volume, {moment}", volume["MYO"] / volume["LV"])
            add(f"RV / LV volume, {moment}", volume["RV"] / volume["LV"])
        add("LV end-diastolic volume, ml/m2", first["LV"] / surface)
        add("RV end-diastolic volume, ml/m2", first["RV"] / surface)
        add("LV ejection fraction, %", 100 * (1 - last["LV"] / first["LV"]))
        add("RV ejection fraction, %", 100 * (1 - last["RV"] / first["RV"]))
    return values


def real_ranges(statistics: dict[str, Any]) -> dict[str, str]:
    """Median and range over the real cases, or what the file states of ACDC."""
    cases = statistics["mnms_physical"]
    values: Samples = {}
    for case in cases:
        values.setdefault("blood / myocardium", []).append(case["blood_to_myo_ratio"])
        values.setdefault("RV / LV signal", []).append(case["RV"]["mean"] / case["LV"]["mean"])
        for structure in ("LV", "MYO", "RV"):
            spread = case[structure]["sd"] / case[structure]["mean"]
            values.setdefault(f"sd / mean, {structure}", []).append(spread)
        if not case["phase"].startswith("LA"):
            for structure in ("MYO", "RV"):
                ratio = case[structure]["volume_ml"] / case["LV"]["volume_ml"]
                values.setdefault(f"{structure} / LV volume, {case['phase'][-2:]}", []).append(ratio)
    ranges = {name: _summary(found, (0, 100)) for name, found in values.items()}
    for name, key in (("RV / LV area", "acdc_area_ratio_RV_over_LV"), ("MYO / LV area", "acdc_area_ratio_myo_over_LV")):
        low, middle, high = statistics[key]["p5_50_95"]
        ranges[name] = f"{middle:.2f} [{low:.2f}, {high:.2f}]"
    ranges["RV end-diastolic volume, ml/m2"] = _TOF_RV_INDEX
    ranges["RV ejection fraction, %"] = _TOF_RV_EF
    return ranges


def table(real: dict[str, str]) -> str:
    """Markdown: a row a quantity, real beside the three sites (median [5th, 95th percentile])."""
    sites = {name: phantom_samples(site) for name, site in SITES.items()}
    lines = ["| | real | " + " | ".join(f"phantom, {name}" for name in sites) + " |", "|---" * (len(sites) + 2) + "|"]
    for quantity in next(iter(sites.values())):
        cells = [real.get(quantity, ""), *(_summary(values[quantity], (5, 95)) for values in sites.values())]
        lines.append(f"| {quantity} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sheet(path: Path, image_size: int = 128) -> None:
    """Frames of every site and view, two subjects at ED and ES; under the main site's the same with tinted masks."""
    rows = []
    for site in SITES.values():
        frames = [
            render(_SEED, site, f"sheet-{number}", view, phase, image_size)
            for view in ANNOTATED
            for number, phase in ((0, 0.0), (0, 1.0), (1, 0.0))
        ]
        images, masks = (np.hstack(part) for part in zip(*frames, strict=True))
        rows.append(_shades(images, np.zeros_like(masks)))
        if site.name == "main":
            rows.append(_shades(images, masks))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.vstack(rows), mode="P")
    picture.putpalette(_palette())
    picture.save(path, optimize=True)


#: Grey, then LV, MYO, RV, RA, LA in the Okabe-Ito colours; each in this many shades, so that the file stays small.
_COLOURS = np.array([[255] * 3, [230, 159, 0], [0, 158, 115], [0, 114, 178], [86, 180, 233], [240, 228, 66]])
_SHADES = 40


def _shades(image: NDArray[np.uint8], label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Palette indices: the label's colour in the image's shade."""
    return (label.astype(np.int32) * _SHADES + image.astype(np.int32) * _SHADES // 256).astype(np.uint8)


def _palette() -> list[int]:
    shade = np.linspace(0, 1, _SHADES)
    colours = [
        np.outer(shade if k == 0 else 0.3 + 0.7 * shade, colour).round().astype(int)
        for k, colour in enumerate(_COLOURS)
    ]
    return [int(value) for value in np.concatenate(colours).ravel()]


def _summary(values: list[float], percentiles: tuple[int, int]) -> str:
    low, high = np.percentile(values, percentiles)
    digits = 0 if np.median(values) > 20 else 2
    return f"{np.median(values):.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of phantom frames here instead")
    arguments = parser.parse_args()
    if arguments.sheet is not None:
        sheet(arguments.sheet)
        return
    folder = os.environ.get("AUGBENCH_REAL_DATA")
    path = (Path(folder) if folder else Path(__file__).parents[2] / "shared" / "data") / "real_statistics.json"
    if not path.is_file():
        print(f"{path} is missing: real values are left out\n")
    print(table(real_ranges(json.loads(path.read_text())) if path.is_file() else {}))


if __name__ == "__main__":
    main()
