"""The words of a conclusion: drawn in `comparison.verdict`, shown by the report."""

from __future__ import annotations

EQUIVALENT = "equivalent"
NEGLIGIBLE = "significant but negligible"
BETTER = "better"
WORSE = "worse"
INCONCLUSIVE = "inconclusive"
#: In the order in which they are counted.
VERDICTS = (EQUIVALENT, NEGLIGIBLE, BETTER, WORSE, INCONCLUSIVE)
