"""FILETIME: hundreds of nanoseconds since 1601, as Windows counts time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from process_anatomy.absent import Absent, Kind

EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)
EARLIEST, LATEST = 0x01AE_8349_928A_C000, 0x0290_0000_0000_0000
"""FILETIMEs that a running system can have: from the beginning of 1985 into 2186."""


def written(filetime: int | Absent) -> int | Absent:
    """A FILETIME as it was read, absent with the reason where no running system can have written it.

    Zero stays zero: it stands where there is no time, and what that means depends on the field.
    """
    if isinstance(filetime, Absent) or filetime == 0 or EARLIEST <= filetime < LATEST:
        return filetime
    return Absent(Kind.IMPLAUSIBLE, f"{filetime:#x} is no time that Windows could have written")


def moment(filetime: Any) -> datetime | None:
    """A FILETIME as a moment in UTC, or ``None`` where no running system can have written it."""
    if not isinstance(filetime, int) or not EARLIEST <= filetime < LATEST:
        return None
    return EPOCH + timedelta(microseconds=filetime // 10)


def moment_text(filetime: Any) -> str:
    """A FILETIME to the second, for a sentence; empty where it is no moment."""
    found = moment(filetime)
    return f"{found:%Y-%m-%d %H:%M:%S} UTC" if found else ""
