"""Images made by an independent generator are reported exactly as their answer keys say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.kernel.identify import Kernel
from process_anatomy.volatility import open_path
from tests.conftest import Vol
from tests.in_process import Rows, rows_of

IMAGES = [
    "win10-19041.raw",
    "win10-19041.bmp.dmp",
    "win10-19041.lime",
    "srv2019-17763.raw",
    "srv2016-14393.raw",
]
X86 = ["winxp-2600-pae.raw", "win7-7601-x86-pae.raw"]
"""Images whose rows are read in this process, opened once, for Volatility takes seconds to find their page tables."""
ELEVATION = {1: "default", 2: "full", 3: "limited"}
INTEGRITY = {
    None: None,
    "S-1-16-4096": "low",
    "S-1-16-8192": "medium",
    "S-1-16-12288": "high",
    "S-1-16-16384": "system",
}
LAYOUTS = {
    "win10-19041": "exact, ntoskrnl 19041.3570",
    "srv2019-17763": "exact, ntoskrnl 17763.5576",
    "srv2016-14393": "exact, ntoskrnl 14393.5921",
    "winxp-2600-pae": "exact",
    "win7-7601-x86-pae": "partial facts",
}
"""Of each image, how sure the layout is, and the file that the kernel's PDB is of."""
TOO_STRONG = {"win7-7601-x86-pae"}
"""Images with a token of medium integrity whose SeLoadDriverPrivilege is enabled, which Windows would refuse."""
LOWER = list(INTEGRITY)
LEVELS = ["Anonymous", "Identification", "Impersonation", "Delegation"]
TRUST = {None: None, "S-1-19-512-4096": "ProtectedLight-Windows"}
POLICY = {None: None, 0: "none", 1: "NO_WRITE_UP", 2: "NEW_PROCESS_MIN", 3: "NO_WRITE_UP,NEW_PROCESS_MIN"}
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


Ask = Callable[[str], Rows]


@pytest.fixture(params=IMAGES + X86)
def image(request: pytest.FixtureRequest) -> str:
    """A foreign image's file name."""
    return str(request.param)


@pytest.fixture(scope="module")
def kernels(foreign: Foreign) -> Callable[[str], Kernel]:
    """Name of an image to its kernel, opened once."""
    return cache(lambda name: open_path(foreign(name)))


@pytest.fixture
def ask(image: str, vol: Vol, foreign: Foreign, kernels: Callable[[str], Kernel]) -> Ask:
    """Name of a plugin to its rows over the image."""
    if image in X86:
        return lambda name: rows_of(kernels(image), name)
    return lambda name: vol("-r", "json", "-f", foreign(image), f"windows.anatomy.{name}").rows


SYSTEM = 4


def key(image: str) -> str:
    """The name that an image shares with its answer key."""
    return image.split(".", 1)[0]


def moment(text: str | None) -> datetime | None:
    """A time of an answer key or of a JSON answer."""
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.mark.proves("foreign")
def test_processes_are_those_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """Every column of every process equals the answer key, in every format of image."""
    rows = ask("processes")
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
    assert {r["Layout"] for r in rows} == {LAYOUTS[image.partition(".")[0]]}
    assert {r["SeenBy"] for r in rows} == {"forward,backward"}
    undated = {SYSTEM} if image == "winxp-2600-pae.raw" else set()  # XP does not note when System was made
    assert {r["PID"]: r["Problems"] for r in rows if r["Problems"]} == dict.fromkeys(
        undated, "CreateTime: no time is set"
    )


@pytest.mark.proves("foreign")
def test_thread_counts_are_those_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """Threads counts the threads that the answer key lists as not ended."""
    rows = ask("processes")
    expected = {
        p["pid"]: 0 if p["exited"] else sum(t.get("state") != 4 for t in p["threads"])
        for p in truth(key(image))["processes"]
    }
    assert {r["PID"]: r["Threads"] for r in rows} == expected


@pytest.mark.proves("foreign")
def test_vads_are_those_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """Every node of every tree equals the answer key."""
    rows = ask("vads")
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
        for v in p.get("vads", [])
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
        for v in p.get("vads", [])
        for other in p.get("vads", [])
        if other is not v and other["start"] <= v["end"] and v["start"] <= other["end"]
    }


def bits_of(image: str) -> int:
    """How wide the pointers of a kernel are."""
    return 32 if image in X86 else 64


def contexts(image: str, truth: Truth) -> dict[tuple[int, int | None], dict[str, Any]]:
    """Every token of an answer key, by process and impersonating thread."""
    found = {}
    for process in truth(key(image))["processes"]:
        found[process["pid"], None] = process["token"]
        for thread in process["threads"]:
            if thread["impersonation_token"]:
                found[process["pid"], thread["tid"]] = thread["impersonation_token"]
    return found


@pytest.mark.proves("foreign")
def test_tokens_are_those_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """Every fact of every token of a process or a thread equals the answer key, where that has it."""
    rows = ask("tokens")
    expected = {who: expected_token(t, who[1]) for who, t in contexts(image, truth).items()}
    assert {(r["PID"], r["TID"]) for r in rows} == set(expected)
    for row in rows:
        wanted = expected[row["PID"], row["TID"]]
        assert {column: row[column] for column in wanted} == wanted
    assert {r["Problems"] for r in rows} == {None}


def expected_token(t: dict[str, Any], tid: int | None) -> dict[str, Any]:
    """The columns of a token as the answer key has them; older Windows lack some facts, and keys without them too."""
    flags = t["token_flags"]
    told = {
        "Offset": t["va"] & LOW_48,
        "TokenId": t["token_id"],
        "AuthenticationId": t["authentication_id"],
        "User": t["user"],
        "Account": f"{t['authority']}\\{t['account']}" if t.get("logon_session", True) else None,
        "Integrity": INTEGRITY[t["integrity"]],
        "SessionId": t["session_id"],
        "TokenType": t["type"],
        "ImpersonationLevel": LEVELS[t["impersonation_level"]] if tid else None,
        "Groups": len(t["sids"]),
        "RestrictedSids": len(t["restricted_sids"]),
        "ParentTokenId": t["parent_token_id"] or None,
        "OriginatingLogonSession": t["origin_authentication_id"] or None,
        "Source": t["source"],
        "MandatoryPolicy": POLICY[t["mandatory_policy"]],
        "Virtualization": "enabled" if flags & 0x400 else "allowed" if flags & 0x200 else "no",
    }
    if t["integrity"] is None:
        told["Virtualization"] = None
    if "elevation_type" in t:
        told["Elevation"] = ELEVATION[t["elevation_type"]]
        told["TrustLevel"] = TRUST[t["trust_sid"]]
    told["Package"] = t.get("package")
    for column, name in (("Capabilities", "capabilities"), ("SecurityAttributes", "security_attributes")):
        told[column] = len(t[name]) if name in t else None
    return told


@pytest.mark.proves("foreign")
def test_groups_are_those_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """Every SID of every token, in the token's order, with its attributes."""
    rows = ask("groups")
    actual: dict[tuple[int, int | None], dict[str, list[tuple[str, int]]]] = {}
    for row in rows:
        lists = actual.setdefault((row["PID"], row["TID"]), {})
        lists.setdefault("sids" if row["Kind"] in ("user", "group") else row["Kind"], []).append(
            (row["SID"], mask_of(row["Attributes"] or ""))
        )
        assert row["Problems"] is None
    for who, token in contexts(image, truth).items():
        expected = {
            "sids": token["sids"],
            "restricted": token["restricted_sids"],
            "capability": token.get("capabilities"),
        }
        whole = {kind: [(s["sid"], s["attributes"]) for s in sids] for kind, sids in expected.items() if sids}
        whole |= {kind: [(token[name], 0)] for kind, name in SINGLE.items() if token.get(name)}
        assert actual.pop(who) == whole
    assert not actual


def mask_of(names: str) -> int:
    """Attributes of a SID as Windows' number."""
    return sum(ATTRIBUTES[name] if name in ATTRIBUTES else int(name, 0) for name in names.split(",") if name)


@pytest.mark.proves("foreign")
def test_security_attributes_are_those_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """Names, types and values of every security attribute, all of them proved."""
    rows = ask("claims")
    expected = [
        (*who, "security attribute", a["name"], VALUE_TYPES[a["type"]], index, str(value))
        for who, token in contexts(image, truth).items()
        for a in token.get("security_attributes", [])
        for index, value in enumerate(a["values"])
    ]
    columns = ("PID", "TID", "Kind", "Name", "ValueType", "Index", "Value")
    assert sorted([tuple(r[c] for c in columns) for r in rows], key=repr) == sorted(expected, key=repr)
    assert bool(expected) is (image in IMAGES)
    assert {r["Problems"] for r in rows} <= {None}


@pytest.mark.proves("foreign")
def test_privileges_are_those_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """Every privilege that the answer key names has its attributes, and no other is present."""
    rows = ask("privileges")
    expected = {
        (*who, name): attributes
        for who, token in contexts(image, truth).items()
        for name, attributes in token["privilege_names"].items()
    }
    actual = {(r["PID"], r["TID"], r["Privilege"]): r["Attributes"].lower() for r in rows if r["Attributes"]}
    assert actual == expected
    odd = [(r["PID"], r["Privilege"]) for r in rows if r["Problems"]]
    assert odd == ([(1852, "SeLoadDriverPrivilege")] if key(image) in TOO_STRONG else [])


@pytest.mark.proves("foreign")
def test_creation_names_parents_and_command_lines_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """Parent, audited name and command line of every process equal the answer key."""
    rows = ask("creation")
    expected = {
        p["pid"]: (p["ppid"], p["audit_name"] or None, p["command_line"] if p["peb"] and not p["exited"] else None)
        for p in truth(key(image))["processes"]
    }
    assert {r["PID"]: (r["PPID"], r["ImagePath"], r["CommandLine"]) for r in rows} == expected


@pytest.mark.proves("foreign")
def test_creation_judges_what_the_tokens_of_the_answer_key_say(image: str, ask: Ask, truth: Truth) -> None:
    """Each method follows from the answer key's tokens of child and parent, with its own rule spelled out here."""
    processes = {p["pid"]: p for p in truth(key(image))["processes"]}
    rows = ask("creation")
    seen = set()
    for row in rows:
        child, parent = processes[row["PID"]], processes.get(row["PPID"])
        token, above = child["token"], parent["token"] if parent else None
        seen.add(row["Method"])
        if row["PID"] == 4 or row["PPID"] == 4:
            assert row["Method"] == "kernel"
        elif token.get("package"):
            assert row["Method"] == "app-container"
        elif parent is None or above is None:
            assert (row["Method"], row["ParentState"]) == ("orphan", "not found")
        elif parent["name"] == "services.exe":
            assert row["Method"] == "service"
        elif (token.get("elevation_type"), above.get("elevation_type")) == (2, 3):
            assert row["Method"] == "elevation"
        elif token["session_id"] != above["session_id"] or LOWER.index(token["integrity"]) > LOWER.index(
            above["integrity"]
        ):
            assert row["Method"] == "as-user"
        elif token["authentication_id"] == above["authentication_id"]:
            same = token["sids"] == above["sids"] and not token["restricted_sids"]
            assert row["Method"] == ("create-process" if same else "restricted")
        elif token["origin_authentication_id"] == above["authentication_id"] > 0x3E7:
            assert row["Method"] == "with-logon"
        else:
            assert row["Method"] == "as-user"
    newer = {"app-container", "elevation"} if image in IMAGES else set()
    assert seen - {"restricted", "with-logon"} == {"kernel", "orphan", "service", "create-process", "as-user"} | newer
    assert image in X86 or {"restricted", "with-logon"} <= seen


@pytest.mark.proves("foreign")
def test_pebs_are_those_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """Every PEB, 64-bit and 32-bit, through the root of its own process, with what it says."""
    rows = ask("peb")
    whole = truth(key(image))
    native = bits_of(image)
    columns = (
        "PID", "Process", "Bits", "PEB", "DTB", "ImageBaseAddress", "ProcessHeap", "Ldr", "ImagePath", "CommandLine",
        "CurrentDirectory", "SessionId", "OSVersion", "BeingDebugged", "NtGlobalFlag",
    )  # fmt: skip
    version = f"{whole['major']}.{whole['minor']}.{whole['build']}"
    expected = []
    for p in whole["processes"]:
        if p["exited"] or not p["peb"]:
            expected.append((p["pid"], p["image_file_name"], native, p["peb"] or None, p["dtb"], *[None] * 10))
            continue
        for bits, address, ldr in ((native, p["peb"], p["ldr"]), (32, p.get("peb32"), None)):
            if address:
                expected.append(
                    (
                        p["pid"], p["image_file_name"], bits, address, p["dtb"], p["image_base"], p["heap"], ldr,
                        p["image_path"], p["command_line"], p["current_directory"], p["session"] or 0, version,
                        False, 0,
                    )
                )  # fmt: skip
    for row in rows:
        if row["Bits"] != native:
            row["Ldr"] = None  # the answer key does not name it
    assert sorted([tuple(r[c] for c in columns) for r in rows], key=repr) == sorted(expected, key=repr)
    assert [r["PID"] for r in rows if r["Bits"] != native] == [p["pid"] for p in whole["processes"] if p["wow64"]]
    assert {r["Problems"] for r in rows} == {None}


@pytest.mark.proves("foreign")
def test_environments_are_those_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """Every variable of every environment, in both halves of a 32-bit process, and no other."""
    rows = ask("envars")
    expected = [
        (p["pid"], bits, name, value)
        for p in truth(key(image))["processes"]
        for bits in ((64, 32) if p["wow64"] else (bits_of(image),))
        for name, value in (p.get("environment") or {}).items()
    ]
    assert expected
    assert sorted((r["PID"], r["Bits"], r["Variable"], r["Value"]) for r in rows) == sorted(expected)
    assert {r["Problems"] for r in rows} == {None}


@pytest.mark.proves("foreign")
def test_tebs_are_those_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """Every thread's TEB, which repeats its ids and its process's PEB."""
    rows = ask("tebs")
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


@pytest.mark.parametrize("image", X86)
@pytest.mark.proves("foreign")
def test_the_command_itself_reads_an_older_windows(image: str, vol: Vol, foreign: Foreign, ask: Ask) -> None:
    """`vol` shows the rows that are looked at here."""
    assert vol("-r", "json", "-f", foreign(image), "windows.anatomy.processes").rows == ask("processes")
