"""The published result this study is laid beside: Table 1 of Diller et al. 2020, as data."""

from __future__ import annotations

from dataclasses import dataclass

DOI = "10.1186/s12880-020-00511-1"
CITATION = "Diller et al., BMC Medical Imaging 2020"
PATIENTS = {"generator": 303, "segmenter": 42, "external": 50}


@dataclass(frozen=True)
class PaperRow:
    """One structure of Table 1.

    Attributes:
        axis: the paper's word, `long axis` or `short axis`.
        view: our view laid beside it.
        structure: LV, RV or RA.
        synthetic, real: Dice median, lower and upper quartile of the PG-GAN-trained and the real-trained U-Net.
        p: as printed.
        variation_synthetic, variation_real: "percent variation" as printed.
    """

    axis: str
    view: str
    structure: str
    synthetic: tuple[float, float, float]
    real: tuple[float, float, float]
    p: str
    variation_synthetic: float
    variation_real: float


TABLE_1 = (
    PaperRow("long axis", "4ch", "LV", (0.978, 0.973, 0.983), (0.986, 0.982, 0.988), "<0.0001", 0.021, 0.014),
    PaperRow("long axis", "4ch", "RV", (0.981, 0.976, 0.984), (0.984, 0.978, 0.988), "<0.0001", 0.019, 0.016),
    PaperRow("long axis", "4ch", "RA", (0.986, 0.983, 0.989), (0.989, 0.985, 0.991), "<0.0001", 0.014, 0.011),
    PaperRow("short axis", "sax", "LV", (0.987, 0.982, 0.991), (0.987, 0.983, 0.990), "0.45", 0.013, 0.013),
    PaperRow("short axis", "sax", "RV", (0.965, 0.958, 0.975), (0.964, 0.951, 0.972), "0.002", 0.035, 0.036),
)

REFERENCES = (
    ("Diller GP et al. BMC Medical Imaging 2020", DOI),
    ("Skandarani Y et al. Canadian Journal of Cardiology 2022", "10.1016/j.cjca.2021.11.003"),
    ("Werner RA et al. Scientific Reports 2022", "10.1038/s41598-022-23325-3"),
    ("Karras T et al. Progressive growing of GANs. ICLR 2018", "10.48550/arXiv.1710.10196"),
)
