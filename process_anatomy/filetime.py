"""FILETIME: hundreds of nanoseconds since 1601, as Windows counts time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)
EARLIEST, LATEST = 0x01A8_0000_0000_0000, 0x0290_0000_0000_0000
"""FILETIMEs that a running system can have: from 1985 to 2186."""


def moment(filetime: Any) -> datetime | None:
    """A FILETIME as a moment in UTC, or ``None`` where it is none that a calendar has."""
    if not isinstance(filetime, int) or filetime <= 0:
        return None
    try:
        return EPOCH + timedelta(microseconds=filetime // 10)
    except OverflowError:
        return None


def moment_text(filetime: Any) -> str:
    """A FILETIME to the second, for a sentence; empty where it is no moment."""
    found = moment(filetime)
    return f"{found:%Y-%m-%d %H:%M:%S} UTC" if found else ""
