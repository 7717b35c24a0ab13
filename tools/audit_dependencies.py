"""Compare the locked versions in constraints.txt with the OSV database of known vulnerabilities.

Fails on a found vulnerability. Without a network there is nothing to compare with: that is said, and is no failure.
"""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

OSV = "https://api.osv.dev/v1/query"
LOCK = Path(__file__).parent.parent / "constraints.txt"
_TIMEOUT_S = 10


def main(database: str = OSV, lock: Path = LOCK) -> int:
    """Exit code of the audit: 0 clean or skipped, 1 a vulnerability."""
    if find_spec("pip_audit") is None:
        print("dependency audit skipped: pip-audit is not installed (pip install -c constraints.txt pip-audit)")
        return 0
    if (why := _unreachable(database)) is not None:
        print(f"dependency audit skipped: {database} cannot be reached ({why})")
        return 0
    return subprocess.call(
        [
            *(sys.executable, "-m", "pip_audit", "--progress-spinner", "off"),
            *("--requirement", str(lock), "--no-deps", "--disable-pip", "--strict"),
            *("--vulnerability-service", "osv", "--osv-url", database),
        ]
    )


def _unreachable(database: str) -> str | None:
    try:
        urllib.request.urlopen(database, timeout=_TIMEOUT_S).close()
    except urllib.error.HTTPError:  # an answer, if only that a query must be posted
        return None
    except OSError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
