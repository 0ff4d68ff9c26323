"""Cells of a column, packed for the page: what is alike is said once, and numbers as steps from one to the next.

Every form is JSON that ``script/columns.js`` unpacks, and loses nothing: numbers beyond 2^53, which JavaScript would
round, are two halves of 32 bits; a time is a day and the microseconds of that day.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import groupby
from typing import Any

from process_anatomy.views.ranges import hexadecimal
from process_anatomy.walk.address_space.range_bytes import Beginning

EXACT = (1 << 53) - 1
"""The largest whole number that JavaScript does not round."""
HALF = 32
LOW = (1 << HALF) - 1
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
DAY = 86_400_000_000
"""Microseconds of a day."""
DUMPED = re.compile(r"0000  ((?:[0-9a-f]{2} ){0,15}[0-9a-f]{2})(?: |$)")
"""The one line of a dump, and its bytes."""
SAME, WHOLE, WIDE, TIME, CHOICE = "same", "whole", "wide", "time", "choice"

Packed = dict[str, Any]


def packed(values: Sequence[Any]) -> Packed:
    """A column's cells as the smallest form that holds them; ``None`` where a cell has nothing.

    Args:
        values: whole numbers, texts, truth values, aware times in UTC, or lists of texts; all of one kind.
    """
    present = [value for value in values if value is not None]
    if not present or (len(present) == len(values) and all(value == present[0] for value in present)):
        return {"form": SAME, "value": _plain(present[0]) if present else None}
    first = present[0]
    if isinstance(first, datetime):
        moments = [_micros(value) for value in present]
        return {"form": TIME, "days": _whole([m // DAY for m in moments]), "rest": _whole([m % DAY for m in moments]),
                **_gaps(values)}  # fmt: skip
    if isinstance(first, int) and not isinstance(first, bool):
        lowest, highest = min(present), max(present)
        if lowest >= -EXACT and highest <= EXACT and highest - lowest <= EXACT:
            return {"form": WHOLE, "steps": _whole(present), **_gaps(values)}
        if lowest >= 0:
            high, low = [value >> HALF for value in present], [value & LOW for value in present]
            return {"form": WIDE, "high": _whole(high), "low": _whole(low), **_gaps(values)}
        present = [str(value) for value in present]
    if isinstance(first, list) and None not in (octets := [_octets(value) for value in present]):
        return choices(octets) | {"octets": True} | _gaps(values)
    return choices(present) | _gaps(values)


def _octets(value: Sequence[str]) -> str | None:
    """The bytes in hexadecimal whose dump is one line that this list holds: half as long; ``None`` for other lists."""
    found = DUMPED.match(value[0]) if len(value) == 1 else None
    if found is None:
        return None
    pairs = found[1].replace(" ", "")
    return pairs if list(hexadecimal(Beginning(bytes.fromhex(pairs), frozenset()))) == list(value) else None


def choices(values: Sequence[Any]) -> Packed:
    """Values of which many are alike: each once, and for every cell the number of its own."""
    known: dict[Any, int] = {}
    numbers = [known.setdefault(tuple(v) if isinstance(v, list) else v, len(known)) for v in values]
    return {"form": CHOICE, "values": [_plain(value) for value in known], "steps": _whole(numbers)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        micros = _micros(value)
        return [micros // DAY, micros % DAY]
    if isinstance(value, int) and not isinstance(value, bool) and not -EXACT <= value <= EXACT:
        return {"high": value >> HALF, "low": value & LOW} if value >= 0 else str(value)
    return list(value) if isinstance(value, tuple) else value


def _micros(value: datetime) -> int:
    past = value - EPOCH
    return past.days * DAY + past.seconds * 1_000_000 + past.microseconds


def _whole(values: Sequence[int]) -> list[int]:
    """Numbers as steps: the first, then from each to the next."""
    return [value - before for before, value in zip((0, *values), values, strict=False)]


def _gaps(values: Sequence[Any]) -> Packed:
    """Where cells have nothing, as lengths of runs that have something and have nothing in turn; unsaid if all have."""
    runs = [(empty, len(list(run))) for empty, run in groupby(value is None for value in values)]
    lengths = [length for _, length in runs]
    if runs[0][0]:
        lengths.insert(0, 0)
    return {"runs": lengths} if len(lengths) > 1 else {}


def sealed(value: object) -> str:
    """A value as JSON, gzip and base64: text in which nothing can be mark-up, the same for the same value.

    Half a surrogate pair stays the escape that JSON has for it.
    """
    text = json.dumps(value, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("ascii"), 9, mtime=0)).decode("ascii")
