"""Security identifiers: their text, and the names of those that mean the same on every Windows.

Sources: [MS-DTYP] 2.4.2.4 "Well-known SID structures" and Microsoft Learn, "Well-known SIDs".
"""

from __future__ import annotations

import re

WELL_KNOWN = {
    "S-1-0-0": "Null Authority",
    "S-1-1-0": "Everyone",
    "S-1-2-0": "Local",
    "S-1-2-1": "Console Logon",
    "S-1-3-0": "Creator Owner",
    "S-1-3-1": "Creator Group",
    "S-1-3-4": "Owner Rights",
    "S-1-5-1": "Dialup",
    "S-1-5-2": "Network",
    "S-1-5-3": "Batch",
    "S-1-5-4": "Interactive",
    "S-1-5-6": "Service",
    "S-1-5-7": "Anonymous",
    "S-1-5-9": "Enterprise Domain Controllers",
    "S-1-5-10": "Principal Self",
    "S-1-5-11": "Authenticated Users",
    "S-1-5-12": "Restricted Code",
    "S-1-5-13": "Terminal Server Users",
    "S-1-5-14": "Remote Interactive Logon",
    "S-1-5-15": "This Organization",
    "S-1-5-17": "IUSR",
    "S-1-5-18": "Local System",
    "S-1-5-19": "Local Service",
    "S-1-5-20": "Network Service",
    "S-1-5-33": "Write Restricted",
    "S-1-5-113": "Local Account",
    "S-1-5-114": "Local Account (Member of Administrators)",
    "S-1-5-32-544": "Administrators",
    "S-1-5-32-545": "Users",
    "S-1-5-32-546": "Guests",
    "S-1-5-32-547": "Power Users",
    "S-1-5-32-551": "Backup Operators",
    "S-1-5-32-555": "Remote Desktop Users",
    "S-1-5-32-559": "Performance Log Users",
    "S-1-5-80-0": "All Services",
    "S-1-15-2-1": "All App Packages",
    "S-1-15-2-2": "All Restricted App Packages",
}
"""SID to name."""

PATTERNS = (
    (re.compile(r"S-1-5-5-\d+-\d+"), "Logon Session"),
    (re.compile(r"S-1-5-21-\d+-\d+-\d+-500"), "Administrator"),
    (re.compile(r"S-1-5-21-\d+-\d+-\d+-501"), "Guest"),
    (re.compile(r"S-1-5-90-0-\d+"), "Window Manager"),
    (re.compile(r"S-1-5-96-0-\d+"), "Font Driver Host"),
)

INTEGRITY_AUTHORITY = "S-1-16-"
INTEGRITY_LEVELS = {
    0x0000: "untrusted",
    0x1000: "low",
    0x2000: "medium",
    0x2100: "medium-plus",
    0x3000: "high",
    0x4000: "system",
    0x5000: "protected",
    0x7000: "secure",
}
"""Last sub-authority of an integrity SID to its name."""


def sid_text(revision: int, authority: bytes, sub_authorities: list[int]) -> str:
    """A SID as Windows writes it."""
    top = int.from_bytes(authority, "big")
    return "-".join(["S", str(revision), str(top), *map(str, sub_authorities)])


def sid_name(sid: str) -> str:
    """The name of a SID that means the same on every Windows, else an empty string."""
    if sid in WELL_KNOWN:
        return WELL_KNOWN[sid]
    return next((name for pattern, name in PATTERNS if pattern.fullmatch(sid)), "")


def integrity_name(sid: str) -> str:
    """The integrity level of a SID: a name, or the number where the level has none; empty for other SIDs."""
    if not sid.startswith(INTEGRITY_AUTHORITY) or not sid[len(INTEGRITY_AUTHORITY) :].isdigit():
        return ""
    level = int(sid[len(INTEGRITY_AUTHORITY) :])
    return INTEGRITY_LEVELS.get(level, f"{level:#x}")
