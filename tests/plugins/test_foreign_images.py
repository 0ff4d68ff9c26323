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
INTEGRITY = {"S-1-16-4096": "low", "S-1-16-8192": "medium", "S-1-16-12288": "high", "S-1-16-16384": "system"}
LEVELS = ["Anonymous", "Identification", "Impersonation", "Delegation"]
TRUST = {None: None, "S-1-19-512-4096": "ProtectedLight-Windows"}
POLICY = {0: "none", 1: "NO_WRITE_UP", 2: "NEW_PROCESS_MIN", 3: "NO_WRITE_UP,NEW_PROCESS_MIN"}
VALUE_TYPES = {1: "INT64", 2: "UINT64", 3: "STRING"}
ATTRIBUTES = {
    "Mandatory": 0x1, "Default": 0x2, "Enabled": 0x4, "Owner": 0x8, "DenyOnly": 0x10, "Integrity": 0x20,
    "IntegrityEnabled": 0x40, "Resource": 0x20000000, "LogonId": 0xC0000000,
}  # fmt: skip
SINGLE = {"package": "package", "trust level": "trust_sid"}
"""Kinds of groups rows that a token has at most once, and the answer key's names of them."""
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
    expected = {
        p["pid"]: 0 if p["exited"] else sum(t.get("state") != 4 for t in p["threads"])
        for p in truth(key(image))["processes"]
    }
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
    assert {r["Offset"] for r in rows if r["Problems"]} == overlapping(truth(key(image)))
    assert all("overlaps the one at" in r["Problems"] for r in rows if r["Problems"])


def overlapping(whole: dict[str, Any]) -> set[int]:
    """Nodes whose range overlaps another of the same process; the generator placed one pair so in two images."""
    return {
        v["node"]
        for p in whole["processes"]
        for v in p["vads"]
        for other in p["vads"]
        if other is not v and other["start"] <= v["end"] and v["start"] <= other["end"]
    }


def contexts(image: str, truth: Truth) -> dict[tuple[int, int | None], dict[str, Any]]:
    """Every token of an answer key, by process and impersonating thread."""
    found = {}
    for process in truth(key(image))["processes"]:
        found[process["pid"], None] = process["token"]
        for thread in process["threads"]:
            if thread["impersonation_token"]:
                found[process["pid"], thread["tid"]] = thread["impersonation_token"]
    return found


def test_tokens_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Every fact of every token of a process or a thread equals the answer key."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.tokens").rows
    expected = {
        who: (
            t["va"] & LOW_48,
            t["token_id"],
            t["authentication_id"],
            t["user"],
            f"{t['authority']}\\{t['account']}",
            ELEVATION[t["elevation_type"]],
            INTEGRITY[t["integrity"]],
            t["session_id"],
            t["type"],
            LEVELS[t["impersonation_level"]] if who[1] else None,
            len(t["sids"]),
            len(t["restricted_sids"]),
            len(t["capabilities"]),
            len(t["security_attributes"]),
            t["package"],
            TRUST[t["trust_sid"]],
            t["parent_token_id"] or None,
            t["origin_authentication_id"] or None,
            t["source"],
            POLICY[t["mandatory_policy"]],
            "enabled" if t["token_flags"] & 0x400 else "allowed" if t["token_flags"] & 0x200 else "no",
        )
        for who, t in contexts(image, truth).items()
    }
    columns = (
        "Offset", "TokenId", "AuthenticationId", "User", "Account", "Elevation", "Integrity", "SessionId", "TokenType",
        "ImpersonationLevel", "Groups", "RestrictedSids", "Capabilities", "SecurityAttributes", "Package", "TrustLevel",
        "ParentTokenId", "OriginatingLogonSession", "Source", "MandatoryPolicy", "Virtualization",
    )  # fmt: skip
    assert {(r["PID"], r["TID"]): tuple(r[c] for c in columns) for r in rows} == expected
    assert {r["Problems"] for r in rows} == {None}


def test_groups_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Every SID of every token, in the token's order, with its attributes."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.groups").rows
    actual: dict[tuple[int, int | None], dict[str, list[tuple[str, int]]]] = {}
    for row in rows:
        lists = actual.setdefault((row["PID"], row["TID"]), {})
        lists.setdefault("sids" if row["Kind"] in ("user", "group") else row["Kind"], []).append(
            (row["SID"], mask_of(row["Attributes"] or ""))
        )
        assert row["Problems"] is None
    for who, token in contexts(image, truth).items():
        expected = {"sids": token["sids"], "restricted": token["restricted_sids"], "capability": token["capabilities"]}
        whole = {kind: [(s["sid"], s["attributes"]) for s in sids] for kind, sids in expected.items() if sids}
        whole |= {kind: [(token[name], 0)] for kind, name in SINGLE.items() if token[name]}
        assert actual.pop(who) == whole
    assert not actual


def mask_of(names: str) -> int:
    """Attributes of a SID as Windows' number."""
    return sum(ATTRIBUTES[name] if name in ATTRIBUTES else int(name, 0) for name in names.split(",") if name)


def test_security_attributes_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Names, types and values of every security attribute, all of them proved."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.claims").rows
    expected = [
        (*who, "security attribute", a["name"], VALUE_TYPES[a["type"]], index, str(value))
        for who, token in contexts(image, truth).items()
        for a in token["security_attributes"]
        for index, value in enumerate(a["values"])
    ]
    columns = ("PID", "TID", "Kind", "Name", "ValueType", "Index", "Value")
    assert sorted([tuple(r[c] for c in columns) for r in rows], key=repr) == sorted(expected, key=repr)
    assert expected
    assert {r["Problems"] for r in rows} == {None}


def test_privileges_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Every privilege that the answer key names has its attributes, and no other is present."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.privileges").rows
    expected = {
        (*who, name): attributes
        for who, token in contexts(image, truth).items()
        for name, attributes in token["privilege_names"].items()
    }
    actual = {(r["PID"], r["TID"], r["Privilege"]): r["Attributes"].lower() for r in rows if r["Attributes"]}
    assert actual == expected
    assert {r["Problems"] for r in rows} == {None}


def test_creation_names_parents_and_command_lines_of_the_answer_key(
    image: str, vol: Vol, foreign: Foreign, truth: Truth
) -> None:
    """Parent, audited name and command line of every process equal the answer key."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.creation").rows
    expected = {
        p["pid"]: (p["ppid"], p["audit_name"] or None, p["command_line"] if p["peb"] and not p["exited"] else None)
        for p in truth(key(image))["processes"]
    }
    assert {r["PID"]: (r["PPID"], r["ImagePath"], r["CommandLine"]) for r in rows} == expected


def test_creation_judges_what_the_tokens_of_the_answer_key_say(
    image: str, vol: Vol, foreign: Foreign, truth: Truth
) -> None:
    """Each method follows from the answer key's tokens of child and parent, with its own rule spelled out here."""
    processes = {p["pid"]: p for p in truth(key(image))["processes"]}
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.creation").rows
    seen = set()
    for row in rows:
        child, parent = processes[row["PID"]], processes.get(row["PPID"])
        token, above = child["token"], parent["token"] if parent else None
        seen.add(row["Method"])
        if row["PID"] == 4 or row["PPID"] == 4:
            assert row["Method"] == "kernel"
        elif token["package"]:
            assert row["Method"] == "app-container"
        elif parent is None or above is None:
            assert (row["Method"], row["ParentState"]) == ("orphan", "not found")
        elif parent["name"] == "services.exe":
            assert row["Method"] == "service"
        elif (token["elevation_type"], above["elevation_type"]) == (2, 3):
            assert row["Method"] == "elevation"
        elif token["authentication_id"] == above["authentication_id"]:
            same = token["sids"] == above["sids"] and not token["restricted_sids"]
            assert row["Method"] == ("create-process" if same else "restricted")
        elif token["origin_authentication_id"] == above["authentication_id"] > 0x3E7:
            assert row["Method"] == "with-logon"
        else:
            assert row["Method"] == "as-user"
    assert seen == {
        "kernel", "app-container", "orphan", "service", "elevation", "create-process", "restricted", "with-logon",
        "as-user",
    }  # fmt: skip


def test_pebs_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Every PEB, 64-bit and 32-bit, through the root of its own process, with what it says."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.peb").rows
    whole = truth(key(image))
    columns = (
        "PID", "Process", "Bits", "PEB", "DTB", "ImageBaseAddress", "ProcessHeap", "Ldr", "ImagePath", "CommandLine",
        "CurrentDirectory", "SessionId", "OSVersion", "BeingDebugged", "NtGlobalFlag",
    )  # fmt: skip
    version = f"{whole['major']}.{whole['minor']}.{whole['build']}"
    expected = []
    for p in whole["processes"]:
        if p["exited"] or not p["peb"]:
            expected.append((p["pid"], p["image_file_name"], 64, p["peb"] or None, p["dtb"], *[None] * 10))
            continue
        for bits, address, ldr in ((64, p["peb"], p["ldr"]), (32, p.get("peb32"), None)):
            if address:
                expected.append(
                    (
                        p["pid"], p["image_file_name"], bits, address, p["dtb"], p["image_base"], p["heap"], ldr,
                        p["image_path"], p["command_line"], p["current_directory"], p["session"] or 0, version,
                        False, 0,
                    )
                )  # fmt: skip
    for row in rows:
        if row["Bits"] == 32:
            row["Ldr"] = None  # the answer key does not name it
    assert sorted([tuple(r[c] for c in columns) for r in rows], key=repr) == sorted(expected, key=repr)
    assert [r["PID"] for r in rows if r["Bits"] == 32] == [p["pid"] for p in whole["processes"] if p["wow64"]]
    assert {r["Problems"] for r in rows} == {None}


def test_environments_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Every variable of every environment, in both halves of a 32-bit process, and no other."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.envars").rows
    expected = [
        (p["pid"], bits, name, value)
        for p in truth(key(image))["processes"]
        for bits in ((64, 32) if p["wow64"] else (64,))
        for name, value in (p.get("environment") or {}).items()
    ]
    assert expected
    assert sorted((r["PID"], r["Bits"], r["Variable"], r["Value"]) for r in rows) == sorted(expected)
    assert {r["Problems"] for r in rows} == {None}


def test_tebs_are_those_of_the_answer_key(image: str, vol: Vol, foreign: Foreign, truth: Truth) -> None:
    """Every thread's TEB, which repeats its ids and its process's PEB."""
    rows = vol("-r", "json", "-f", foreign(image), "windows.anatomy.tebs").rows
    expected = [
        (
            p["pid"],
            t["tid"],
            t["teb"] or None,
            f"{p['pid']}.{t['tid']}" if t["teb"] else None,
            p["peb"] if t["teb"] else None,
        )
        for p in truth(key(image))["processes"]
        if not p["exited"]
        for t in p["threads"]
    ]
    actual = [(r["PID"], r["TID"], r["TEB"], r["ClientId"], r["PEB"]) for r in rows]
    assert sorted(actual, key=repr) == sorted(expected, key=repr)
    for row in rows:
        if row["TEB"]:
            assert row["StackLimit"] < row["StackBase"]
    assert {r["Problems"] for r in rows} == {None}


@pytest.mark.parametrize("image", ["win7-7601-x86-pae.raw", "winxp-2600-pae.raw"])
def test_x86_images_get_a_clear_not_yet(image: str, vol: Vol, foreign: Foreign) -> None:
    """A 32-bit Windows is recognised and declined in one line, with status 1."""
    answer = vol("-r", "json", "-f", foreign(image), "windows.anatomy.processes")
    assert (answer.status, answer.out) == (1, "")
    assert answer.err.splitlines()[-1] == (
        "windows.anatomy.processes: this is Windows for x86 (32-bit), which is not supported yet (x64 is)"
    )
