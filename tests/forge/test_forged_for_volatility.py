"""Stock Volatility, with the forged symbol table, finds exactly what the answer key says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import Image
from tests.walk.damaged import listed_truth

Stock = Callable[[Path, str], list[dict[str, Any]]]
SHOWN = (1 << 48) - 1
"""Stock plugins print kernel addresses without their upper 16 bits."""


def by_text(rows: Any) -> list[Any]:
    return sorted(rows, key=str)


def time(written: str | None) -> str | None:
    return written and written.replace("Z", "+00:00")


def expected_processes(processes: list[dict[str, Any]]) -> list[Any]:
    return [
        (
            p["pid"], p["ppid"], p["image_file_name"], p["eprocess"] & SHOWN,
            sum(t["state"] != 4 for t in p["threads"]), p["session"], p["wow64"],
            time(p["create_time"]), time(p["exit_time"]),
        )
        for p in processes
    ]  # fmt: skip


def found_processes(rows: list[dict[str, Any]]) -> list[Any]:
    names = ["PID", "PPID", "ImageFileName", "Offset(V)", "Threads", "SessionId", "Wow64", "CreateTime", "ExitTime"]
    return [tuple(row[name] for name in names) for row in rows]


def expected_vads(truth: dict[str, Any]) -> list[Any]:
    return by_text(
        (
            p["pid"], v["node"] & SHOWN, v["start"], v["end"], v["tag"], v["protection"], v["commit"],
            int(v["private"]), v["parent"] & SHOWN, v["file"],
        )
        for p in listed_truth(truth)
        for v in p["vads"]
    )  # fmt: skip


def found_vads(rows: list[dict[str, Any]]) -> list[Any]:
    return by_text(
        (
            r["PID"], r["Offset"] & SHOWN, r["Start VPN"], r["End VPN"], r["Tag"], r["Protection"], r["CommitCharge"],
            r["PrivateMemory"], r["Parent"] & SHOWN, r["File"],
        )
        for r in rows
    )  # fmt: skip


@pytest.mark.parametrize("form", ["raw", "lime", "crash", "bitmap", "kernel", "hibernation", "vmware", "zdmp"])
def test_pslist_agrees_in_every_container(
    form: str, stock: Stock, image: Image, container: Callable[[str], Path]
) -> None:
    assert found_processes(stock(container(form), "windows.pslist")) == expected_processes(listed_truth(image.truth))


def test_psscan_finds_the_process_that_pslist_does_not(
    stock: Stock, image: Image, container: Callable[[str], Path]
) -> None:
    """shade.exe, taken off the list: a search of memory finds it as it finds all others."""
    found = found_processes(stock(container("bitmap"), "windows.psscan"))
    assert by_text(found) == by_text(expected_processes(image.truth["processes"]))
    (hidden,) = [p["pid"] for p in image.truth["processes"] if not p["in_active_list"]]
    assert hidden not in {row["PID"] for row in stock(container("bitmap"), "windows.pslist")}


def test_vadinfo_agrees(stock: Stock, image: Image, container: Callable[[str], Path]) -> None:
    assert found_vads(stock(container("bitmap"), "windows.vadinfo")) == expected_vads(image.truth)


def test_privileges_agree(stock: Stock, image: Image, container: Callable[[str], Path]) -> None:
    rows = stock(container("bitmap"), "windows.privileges")
    found = by_text((r["PID"], r["Privilege"], r["Attributes"].lower()) for r in rows if r["Attributes"])
    truth = listed_truth(image.truth)
    assert found == by_text((p["pid"], *pair) for p in truth for pair in p["token"]["privilege_names"].items())


def test_getsids_agrees(stock: Stock, image: Image, container: Callable[[str], Path]) -> None:
    rows = stock(container("bitmap"), "windows.getsids")
    expected = [(p["pid"], sid["sid"]) for p in listed_truth(image.truth) for sid in p["token"]["sids"]]
    assert [(r["PID"], r["SID"]) for r in rows] == expected


def test_handles_agree(stock: Stock, image: Image, container: Callable[[str], Path]) -> None:
    rows = stock(container("bitmap"), "windows.handles")
    found = by_text(
        (r["PID"], r["HandleValue"], r["Offset"] & SHOWN, r["Type"], r["GrantedAccess"], r["Name"]) for r in rows
    )
    expected = by_text(
        (p["pid"], h["handle"], h["object"] & SHOWN, h["type"], h["access"], h["name"])
        for p in listed_truth(image.truth)
        for h in p["handles"]
    )
    assert found == expected


def listed_modules(truth: dict[str, Any]) -> list[Any]:
    """What dlllist shows: both loaders' lists of every process, the 64-bit one first."""
    return [
        (p["pid"], m["base"], m["size"], m["name"], m["path"])
        for p in listed_truth(truth)
        for m in p.get("modules", []) + p.get("modules32", [])
    ]


def found_modules(rows: list[dict[str, Any]]) -> list[Any]:
    return [(r["PID"], r["Base"], r["Size"], r["Name"], r["Path"]) for r in rows]


def test_cmdline_and_dlllist_agree(stock: Stock, image: Image, container: Callable[[str], Path]) -> None:
    truth = listed_truth(image.truth)
    rows = stock(container("bitmap"), "windows.cmdline")
    assert [(r["PID"], r["Args"]) for r in rows] == [(p["pid"], p.get("command_line")) for p in truth]
    assert found_modules(stock(container("bitmap"), "windows.dlllist")) == listed_modules(image.truth)


def test_ldrmodules_agrees(stock: Stock, image: Image, container: Callable[[str], Path]) -> None:
    """The images of the 32-bit process, in both loaders' lists together; it leaves out those without a header."""
    rows = [r for r in stock(container("bitmap"), "windows.ldrmodules") if r["Process"] == "oldledger.exe"]
    (process,) = (p for p in image.truth["processes"] if p["wow64"])
    there = {page["va"] for page in process["pages"]}
    known = {m["base"]: m["file"] for m in process["modules"] + process["modules32"] if m["base"] in there}
    assert len(known) == 4
    assert {r["Base"]: r["MappedPath"] for r in rows} == known
    assert all(r["InLoad"] and r["InMem"] and r["InInit"] is (r["Base"] != process["image_base"]) for r in rows)


def test_envars_agree(stock: Stock, image: Image, container: Callable[[str], Path]) -> None:
    rows = stock(container("bitmap"), "windows.envars")
    found = [(r["PID"], r["Variable"], r["Value"]) for r in rows]
    truth = listed_truth(image.truth)
    assert found == [(p["pid"], *pair) for p in truth for pair in p.get("environment", {}).items()]
