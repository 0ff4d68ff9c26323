"""Names for files of ours that come from elsewhere: from a catalogue, from an archive."""

from __future__ import annotations

import re

LENGTH_LIMIT = 120
"""Characters of a name that are kept."""
SEPARATORS = re.compile(r"[\\/]")
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
"""Names that Windows keeps for devices, with any ending."""


def last_part(path: str) -> str:
    """The part of a path of any system after its last separator."""
    return SEPARATORS.split(path)[-1]


def plain_name(path: str) -> str:
    r"""A name that stays in its folder and that every system takes: the path's last part, only harmless characters.

    >>> plain_name("../../etc/passwd"), plain_name("C:\\dumps\\mem 1.raw"), plain_name("..")
    ('passwd', 'mem_1.raw', 'unnamed')
    """
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-._") else "_" for c in last_part(path)[:LENGTH_LIMIT])
    kept = kept.strip(".") or "unnamed"
    return f"_{kept}"[:LENGTH_LIMIT].rstrip(".") if RESERVED.match(kept) else kept
