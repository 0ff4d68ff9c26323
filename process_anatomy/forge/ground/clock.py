"""Times: seconds as scenarios tell them, as Windows counts them, and as the answer key writes them."""

from __future__ import annotations

from datetime import datetime, timezone

WINDOWS_EPOCH = 11_644_473_600


def filetime(seconds: int) -> int:
    """Seconds since 1970 as Windows counts: 100 nanoseconds since 1601."""
    return (seconds + WINDOWS_EPOCH) * 10_000_000


def written_time(seconds: int) -> str:
    """Seconds since 1970 in ISO 8601."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
