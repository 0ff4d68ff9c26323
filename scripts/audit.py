"""``python scripts/audit.py``: known faults of what is installed here, from the Open Source Vulnerabilities database.

Where nobody answers, it says so and ends with status 0: that is no failure, and it is no all-clear either.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

SECONDS = 60
"""That it may take."""
COMMAND = (
    sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", "--local", "--skip-editable",
    "--format", "json", "--progress-spinner", "off", "--timeout", "5",
)  # fmt: skip
UNKNOWN = "the audit of dependencies could not be done, so nothing is known of their faults"


def faults(dependencies: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each known fault."""
    for one in dependencies:
        for fault in one.get("vulns", ()):
            mended = ", ".join(fault.get("fix_versions") or ()) or "no version yet"
            yield f"{one['name']} {one['version']}: {fault['id']}, mended in {mended}"


def told(out: str, err: str) -> tuple[list[str], int]:
    """What is said of an audit, and the exit status.

    Args:
        out: what pip-audit printed.
        err: what it said went wrong.
    """
    try:
        dependencies = json.loads(out)["dependencies"]
        found = list(faults(dependencies))
    except (ValueError, KeyError, TypeError):
        reason = (err.strip().splitlines() or ["no reason is given"])[-1]
        return [f"{UNKNOWN}: {reason}"], 0
    looked = sum("vulns" in one for one in dependencies)
    return found or [f"no fault is known of {looked} packages that are installed here"], 1 if found else 0


def main() -> int:
    """Ask, and print."""
    try:
        done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=SECONDS, check=False)
        lines, status = told(done.stdout, done.stderr)
    except subprocess.TimeoutExpired:
        lines, status = told("", f"nobody answered within {SECONDS} s")
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
