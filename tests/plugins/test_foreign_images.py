"""Images made by an independent generator are reported exactly as their answer keys say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Vol

IMAGES = [
    "win10-19041.raw",
    "win10-19041.bmp.dmp",
    "win10-19041.lime",
    "srv2019-17763.raw",
    "srv2016-14393.raw",
]
ELEVATION = {1: "default", 2: "full", 3: "limited"}
LOW_48 = (1 << 48) - 1

Foreign = Callable[[str], Path]
Truth = Callable[[str], dict[str, Any]]


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    """A foreign image's file name."""
    return str(request.param)


def key(image: str) -> str:
    """The name that an image shares with its answer key."""
    return image.split(".", 1)[0]


def moment(text: str | None) -> datetime | None:
    """A time of an answer key or of a JSON answer."""
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_processes_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Every column of every process equals the answer key, in every format of image."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.processes").rows
    expected = [
        (
            p["pid"],
            p["ppid"],
            p["image_file_name"],
            p["eprocess"] & LOW_48,
            p["handle_count"] if p["object_table"] else None,
            p["session"],
            p["wow64"],
            moment(p["create_time"]),
            moment(p["exit_time"]),
            p["dtb"],
            p["peb"] or None,
            p["vad_root"] & LOW_48,
            p["token"]["va"] & LOW_48,
        )
        for p in truth(key(image))["processes"]
    ]
    actual = [
        (
            r["PID"],
            r["PPID"],
            r["ImageFileName"],
            r["Offset(V)"],
            r["Handles"],
            r["SessionId"],
            r["Wow64"],
            moment(r["CreateTime"]),
            moment(r["ExitTime"]),
            r["DTB"],
            r["PEB"],
            r["VadRoot"],
            r["Token"],
        )
        for r in rows
    ]
    assert sorted(actual) == sorted(expected)
    assert {r["Layout"] for r in rows} == {"exact"}
    assert {r["SeenBy"] for r in rows} == {"forward,backward"}
    assert {r["Problems"] for r in rows} == {None}


def test_thread_counts_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Threads counts the threads that the answer key lists as not ended."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.processes").rows
    expected = {p["pid"]: 0 if p["exited"] else len(p["threads"]) for p in truth(key(image))["processes"]}
    assert {r["PID"]: r["Threads"] for r in rows} == expected


def test_vads_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Every node of every tree equals the answer key."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.vads").rows
    expected = [
        (
            p["pid"],
            v["node"],
            v["start"],
            v["end"],
            v["tag"],
            v["protection"],
            v["commit"],
            int(v["private"]),
            v["file"] or "",
            v["type"],
        )
        for p in truth(key(image))["processes"]
        for v in p["vads"]
    ]
    columns = ("PID", "Offset", "Start VPN", "End VPN", "Tag", "Protection", "CommitCharge", "PrivateMemory")
    actual = [(*(r[c] for c in columns), r["File"] or "", r["VadType"]) for r in rows]
    assert sorted(actual) == sorted(expected)
    assert {r["Problems"] for r in rows} == {None}


def test_tokens_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """User, logon session, account, elevation, session and package of every token equal the answer key."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.tokens").rows
    expected = {
        p["pid"]: (
            t["va"] & LOW_48,
            t["token_id"],
            t["authentication_id"],
            t["user"],
            f"{t['authority']}\\{t['account']}",
            ELEVATION[t["elevation_type"]],
            t["session_id"],
            t["type"],
            len(t["sids"]),
            t["package"],
        )
        for p in truth(key(image))["processes"]
        for t in (p["token"],)
    }
    columns = (
        "Offset",
        "TokenId",
        "AuthenticationId",
        "User",
        "Account",
        "Elevation",
        "SessionId",
        "TokenType",
        "Groups",
    )
    assert {r["PID"]: (*(r[c] for c in columns), r["Package"]) for r in rows} == expected


def test_integrity_is_the_level_of_the_sid_in_the_answer_key(
    image: str, vol: Vol, foreign: Foreign, truth: Truth
) -> None:
    """The integrity level's name stands for the level number of the answer key's SID."""
    names = {4096: "low", 8192: "medium", 12288: "high", 16384: "system"}
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.tokens").rows
    expected = {p["pid"]: names[int(p["token"]["integrity"].rsplit("-", 1)[1])] for p in truth(key(image))["processes"]}
    assert {r["PID"]: r["Integrity"] for r in rows} == expected


def test_privileges_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Every privilege that the answer key names has its attributes, and no other is present."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.privileges").rows
    expected = {
        (p["pid"], name): attributes
        for p in truth(key(image))["processes"]
        for name, attributes in p["token"]["privilege_names"].items()
    }
    actual = {(r["PID"], r["Privilege"]): r["Attributes"].lower() for r in rows if r["Attributes"]}
    assert actual == expected


@pytest.mark.parametrize("image", ["win7-7601-x86-pae.raw", "winxp-2600-pae.raw"])
def test_x86_images_get_a_clear_not_yet(image: str, vol: Vol, foreign: Foreign) -> None:
    """A 32-bit Windows is recognised and declined in one line, with status 1."""
    answer = vol("-r", "json", "-f", foreign(image), "windows.anatomy.processes")
    assert (answer.status, answer.out) == (1, "")
    assert answer.err.splitlines()[-1] == (
        "windows.anatomy.processes: this is Windows for x86 (32-bit), which is not supported yet (x64 is)"
    )
