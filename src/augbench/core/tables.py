"""Columns of the tables in reports/, and of those made from them: written by one family, read by another."""

from __future__ import annotations

#: View and structure of the row that averages each patient over all views and structures.
ALL_VIEWS, MEAN_STRUCTURE = "all", "mean"

CELL = ["view", "structure", "metric"]
#: What names a run in every table (`core.arms.Run.identity`); all text, the generator's seed '' where there is none.
RUN = ["arm", "generator_seed", "segmenter_seed"]
#: What an inconclusive row lacks; empty in a row that is decided.
LIMIT_COLUMNS = ("limited_by", "limited_share", "patients_needed", "seeds_needed")

ARM_COLUMNS = (
    *("arm", "role", "regime", "dose", "generator", "cohort", "labels"),
    *("synthetic", "segmenter", "augmented", "against"),
)
COHORT_COLUMNS = ("cohort", "site", "split", "subjects", "frames")
PER_PATIENT_COLUMNS = (*CELL, *RUN, "subject_id", "site", "value", "n_frames", "n_undefined")
DEVELOPMENT_COLUMNS = ("cohort", *RUN, *CELL, "value")
COMPARISON_COLUMNS = (
    *(*CELL, "arm", "reference_arm", "endpoint", "n_subjects", "mean_arm", "mean_reference"),
    *("mean_difference", "ci_low", "ci_high", "ci90_low", "ci90_high", "degrees", "p_value", "p_adjusted", "p_tost"),
    *("verdict", "seeds_unknown", *LIMIT_COLUMNS, "ratio", "ratio_low", "ratio_high", "sd_paired", "p_wilcoxon"),
    *("median_arm", "q1_arm", "q3_arm", "median_reference", "q1_reference", "q3_reference"),
    *("variation_arm", "variation_reference", "n_undefined", "overall"),
)
CONTRAST_COLUMNS = (
    *("arm", "other", "metric", "n_subjects", "mean_difference", "ci_low", "ci_high", "p_value", "seeds_unknown"),
)
RECOVERED_COLUMNS = (
    *("arm", "opponent", "reference_arm", "n_subjects", "lead", "lead_low", "lead_high", "share", "ci_low", "ci_high"),
    "seeds_unknown",
)
SITE_COLUMNS = ("arm", "site", "metric", "mean")
DOSE_COLUMNS = ("arm", "generator", "dose", "site", "metric", "mean", "ci_low", "ci_high")
#: Not a file: the means over places that the report draws from variance.csv.
VARIANCE_COLUMNS = ("arm", "component", "sd")
