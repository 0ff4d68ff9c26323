"""What stock plugins and MemProcFS should say of a forged image, after its answer key, and whether they do.

A comparison gives two lists for a plugin: what the plugin said, and what the answer key has in the same columns.  Cells
are left out only where :data:`DIFFERENCES` has a name for it, which the table of ``docs/agreement.md`` explains.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.forge.test_forged_for_volatility import (
    SHOWN,
    expected_processes,
    expected_vads,
    found_modules,
    found_processes,
    found_vads,
    listed_modules,
    time,
)
from tests.walk.damaged import listed_truth

Rows = list[dict[str, Any]]
Truth = dict[str, Any]
Process = Mapping[str, Any]
Both = tuple[list[Any], list[Any]]
"""What was said, and what is so."""
LAST_WITH_CLOSE_BIT, RIGHTS = 7601, 0xFDFF_FFFF
"""The last build whose handles have bit 25 for "cannot be closed", and all other bits of an access mask."""

FIRST_SEARCHED_BY_ADDRESS = 10240
"""The first build in which stock plugins search the kernel's addresses; before it they search physical memory."""

WINDOWS = {
    "7": "x64-7601-17514",
    "10 1809": "x64-17763-0",
    "10 2004": "x64-19041-0",
    "11 22H2": "x64-22621-382",
    "11 24H2": "x64-26100-1742",
    "Server 2022": "x64-20348-1129",
}
"""What is compared: the name of a Windows to its layout."""

SCENARIO, SEED = "shellcode", 7
"""The office machine, with one program that private executable memory was brought into."""

DIFFERENCES = {
    "stored pointer": "windows.envars prints where the pointer to the block lies, which is not compared",
    "end of threads": "ExitTime of threads that have not ended",
    "header of images": "windows.malware.ldrmodules leaves out images whose header is not in memory",
    "physical search": "windows.psscan and windows.thrdscan search physical memory before Windows 10 and print "
    "physical addresses: those and the ids are compared, and windows.malware.psxview by its other views",
    "threads unread": "MemProcFS does not know this kernel by its PDB, gets no symbols here, and tells of no threads",
    "own list": "windows.getservicesids leaves out services whose SIDs stand in Volatility's own list",
    "close bit": "windows.handles shows bit 25 of GrantedAccess, of a handle that may not be closed, as a right up to "
    "Windows 7",
    "type index 0": "windows.handles and csrss of windows.malware.psxview leave out objects whose encoded type is 0, "
    "where there are any",
}
"""Names of what other tools leave out or print otherwise, and what that is."""


class Cell(NamedTuple):
    """How one plugin compares.

    Attributes:
        rows: how many rows it gave.
        missing: what is so, and was not said.
        beyond: what was said, and is not so.
        names: of differences that were left out of the comparison, keys of :data:`DIFFERENCES`.
    """

    rows: int
    missing: list[Any]
    beyond: list[Any]
    names: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The cell of a table."""
        if self.missing or self.beyond:
            return f"**{len(self.missing)} missing, {len(self.beyond)} beyond** of {self.rows:,}"
        if self.names and not self.rows:
            return ", ".join(self.names)
        return f"equal ({self.rows:,})" + "".join(f", {name}" for name in self.names)


def compared(said: Iterable[Any], so: Iterable[Any], names: tuple[str, ...] = ()) -> Cell:
    """What differs between two lists, in whatever order."""
    said, so = [_frozen(each) for each in said], [_frozen(each) for each in so]
    found, expected = Counter(said), Counter(so)
    return Cell(len(said), [*(expected - found).elements()], [*(found - expected).elements()], names)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def seconds(written: object) -> str | None:
    """A time in whole seconds of UTC."""
    if not written:
        return None
    moment = written if isinstance(written, datetime) else datetime.fromisoformat(str(time(str(written))))
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def plain(rows: Rows) -> Rows:
    """Rows as Volatility's JSON has them."""
    return [{key: v.isoformat() if isinstance(v, datetime) else v for key, v in row.items()} for row in rows]


def _pslist(rows: Rows, truth: Truth) -> Both:
    return found_processes(rows), expected_processes(listed_truth(truth))


def _psscan(rows: Rows, truth: Truth) -> Both:
    if truth["build"] >= FIRST_SEARCHED_BY_ADDRESS:
        return found_processes(rows), expected_processes(truth["processes"])
    known = [(p["eprocess_pa"], p["pid"]) for p in truth["processes"]]
    return [(r["Offset(V)"], r["PID"]) for r in rows], known


def _pstree(rows: Rows, truth: Truth) -> Both:
    processes = listed_truth(truth)
    more = [(p["audit_name"] or None, p.get("command_line"), _path(p)) for p in processes]
    so = [one + two for one, two in zip(expected_processes(processes), more, strict=True)]
    said = [(*one, r["Audit"], r["Cmd"], r["Path"]) for one, r in zip(found_processes(rows), rows, strict=True)]
    return said, so


def _path(process: Process) -> str | None:
    """The path that the process parameters tell, where they are in memory: the command line lies in the same block."""
    return process.get("image_path") if process.get("command_line") is not None else None


def _psxview(rows: Rows, truth: Truth) -> Both:
    views: tuple[str, ...] = ("forward", "scan", "threads", "csrss_handles")
    if truth["build"] < FIRST_SEARCHED_BY_ADDRESS:  # rows of both kinds of addresses for one process
        views = ("forward", "csrss_handles")
        rows = [r for r in rows if r["pslist"]]
    so = [
        (p["pid"], p["image_file_name"], p["eprocess"] & SHOWN, *(p["seen_by"][view] for view in views))
        for p in truth["processes"]
    ]
    names = {"forward": "pslist", "scan": "psscan", "threads": "thrdscan", "csrss_handles": "csrss"}
    columns = ("PID", "Name", "Offset(Virtual)", *(names[view] for view in views))
    return [tuple(r[column] for column in columns) for r in rows], so


def _sessions(rows: Rows, truth: Truth) -> Both:
    so = []
    for p in listed_truth(truth):
        block = p.get("environment", {})
        parts = [block.get("USERDOMAIN"), block.get("USERNAME")]
        name = "/".join(each for each in parts if each) or None
        so.append(
            (p["session"], block.get("SESSIONNAME"), p["pid"], p["image_file_name"], name, time(p["create_time"]))
        )
    columns = ("Session ID", "Session Type", "Process ID", "Process", "User Name", "Create Time")
    return [tuple(r[column] for column in columns) for r in rows], so


def _cmdline(rows: Rows, truth: Truth) -> Both:
    so = [(p["pid"], p["image_file_name"], p.get("command_line")) for p in listed_truth(truth)]
    return [(r["PID"], r["Process"], r["Args"]) for r in rows], so


def _envars(rows: Rows, truth: Truth) -> Both:
    so = [(p["pid"], *pair) for p in listed_truth(truth) for pair in p.get("environment", {}).items()]
    return [(r["PID"], r["Variable"], r["Value"]) for r in rows], so


def _dlllist(rows: Rows, truth: Truth) -> Both:
    return found_modules(rows), listed_modules(truth)


def _ldrmodules(rows: Rows, truth: Truth) -> Both:
    so = []
    for p in listed_truth(truth):
        there = {page["va"] for page in p.get("pages", ()) if page["crc32"] is not None}
        listed = {m["base"] for m in p.get("modules", []) + p.get("modules32", [])}
        so += [
            (p["pid"], v["start"], v["start"] in listed, v["file"])
            for v in p["vads"]
            if v["type"] == "VadImageMap" and v["start"] in there
        ]
    return [(r["Pid"], r["Base"], r["InLoad"] and r["InMem"], r["MappedPath"]) for r in rows], so


def _vadinfo(rows: Rows, truth: Truth) -> Both:
    return found_vads(rows), expected_vads(truth)


def _vadwalk(rows: Rows, truth: Truth) -> Both:
    so = [
        (p["pid"], v["node"] & SHOWN, v["parent"] & SHOWN, v["start"], v["end"], v["tag"])
        for p in listed_truth(truth)
        for v in p["vads"]
    ]
    return [(r["PID"], r["Offset"], r["Parent"], r["Start"], r["End"], r["Tag"]) for r in rows], so


def _handles(rows: Rows, truth: Truth) -> Both:
    zero = _zero_types(truth)
    so = [
        (p["pid"], h["handle"], h["object"] & SHOWN, h["type"], h["access"], h["name"])
        for p in listed_truth(truth)
        for h in p["handles"]
        if not zero(h["object"], h["type"])
    ]
    columns = ("PID", "HandleValue", "Offset", "Type", "GrantedAccess", "Name")
    masks = {"Offset": SHOWN, "GrantedAccess": RIGHTS if truth["build"] <= LAST_WITH_CLOSE_BIT else ~0}
    return [tuple(r[c] & masks[c] if c in masks else r[c] for c in columns) for r in rows], so


def _zero_types(truth: Truth) -> Callable[[int, str], bool]:
    """Whether the octet of an object's type is 0 in its header: encoded with cookie and address since build 10240."""
    cookie, types, size = truth["object_header_cookie"], truth["object_types"], 0x30

    def is_zero(address: int, kind: str) -> bool:
        return bool(cookie) and types.get(kind, 0) ^ cookie ^ (address - size >> 8 & 0xFF) == 0

    return is_zero


def _start(process: Process, address: int) -> str | None:
    return next((v["file"] for v in process["vads"] if v["start"] <= address <= v["end"]), None)


def _of_threads(rows: Rows, threads: Iterable[tuple[Process, Mapping[str, Any]]]) -> Both:
    so = [
        (
            t["ethread"] & SHOWN, p["pid"], t["tid"], t["start"] & SHOWN, _start(p, t["start"]),
            t["win32_start"] & SHOWN, _start(p, t["win32_start"]), seconds(t["create_time"]), seconds(t["exit_time"]),
        )
        for p, t in threads
    ]  # fmt: skip
    ended = {(p[1], p[2]) for p in so if p[-1]}
    said = [
        (
            r["Offset"], r["PID"], r["TID"], r["StartAddress"], r["StartPath"], r["Win32StartAddress"],
            r["Win32StartPath"], seconds(r["CreateTime"]),
            seconds(r["ExitTime"]) if (r["PID"], r["TID"]) in ended else None,
        )
        for r in rows
    ]  # fmt: skip
    return said, so


def _threads(rows: Rows, truth: Truth) -> Both:
    return _of_threads(rows, ((p, t) for p in listed_truth(truth) for t in p["threads"]))


def _thrdscan(rows: Rows, truth: Truth) -> Both:
    threads = [(p, t) for p in truth["processes"] for t in p["threads"]]
    if truth["build"] >= FIRST_SEARCHED_BY_ADDRESS:
        return _of_threads(rows, threads)
    known = [(t["ethread_pa"], t["tid"]) for _, t in threads]
    return [(r["Offset"], r["TID"]) for r in rows], known


def _privileges(rows: Rows, truth: Truth) -> Both:
    so = [(p["pid"], *pair) for p in listed_truth(truth) for pair in p["token"]["privilege_names"].items()]
    return [(r["PID"], r["Privilege"], r["Attributes"].lower()) for r in rows if r["Attributes"]], so


def _getsids(rows: Rows, truth: Truth) -> Both:
    so = [(p["pid"], p["image_file_name"], s["sid"]) for p in listed_truth(truth) for s in p["token"]["sids"]]
    return [(r["PID"], r["Process"], r["SID"]) for r in rows], so


def _getservicesids(rows: Rows, truth: Truth) -> Both:
    import volatility3

    path = Path(volatility3.__file__).parent / "framework" / "plugins" / "windows"
    found = next(Path(volatility3.__file__).parent.rglob("sids_and_privileges.json"), path)
    known = set(json.loads(found.read_text("utf-8"))["service sids"].values())
    return [(r["SID"], r["Service"]) for r in rows], [(service_sid(n), n) for n in truth["services"] if n not in known]


def service_sid(name: str) -> str:
    """The SID of a service: SHA-1 of its name in capitals and UTF-16, as five numbers."""
    digest = hashlib.sha1(name.upper().encode("utf-16-le"), usedforsecurity=False).digest()
    return "-".join(["S-1-5-80", *(str(int.from_bytes(digest[at : at + 4], "little")) for at in range(0, 20, 4))])


def _modules(rows: Rows, truth: Truth) -> Both:
    so = [(m["entry"] & SHOWN, m["base"] & SHOWN, m["size"], m["name"], m["path"]) for m in truth["kernel_modules"]]
    return [(r["Offset"], r["Base"] & SHOWN, r["Size"], r["Name"], r["Path"]) for r in rows], so


def _hivelist(rows: Rows, truth: Truth) -> Both:
    so = [(h["address"] & SHOWN, h["file_user_name"] or h["hive_root_path"]) for h in truth["hives"]]
    return [(r["Offset"] & SHOWN, r["FileFullPath"]) for r in rows], so


def _malfind(rows: Rows, truth: Truth) -> Both:
    wanted = ("PAGE_EXECUTE_READWRITE", "PAGE_EXECUTE_WRITECOPY")
    so = [
        (p["pid"], v["start"], v["end"], v["protection"])
        for p in listed_truth(truth)
        for v in p["vads"]
        if v["private"] and v["protection"] in wanted
    ]
    return [(r["PID"], r["Start VPN"], r["End VPN"], r["Protection"]) for r in rows], so


def _pebmasquerade(rows: Rows, truth: Truth) -> Both:
    so = [(p["pid"], p["image_file_name"], p["audit_name"] or None, _path(p), False) for p in listed_truth(truth)]
    columns = ("PID", "EPROCESS_ImageFileName", "EPROCESS_SeAudit_ImageFileName", "PEB_ImageFilePath")
    return [(*(r[column] for column in columns), r["PEB_ImageFilePath_Spoofed"] or False) for r in rows], so


STOCK: Mapping[str, tuple[Callable[[Rows, Truth], Both], tuple[str, ...]]] = {
    "windows.pslist": (_pslist, ()),
    "windows.psscan": (_psscan, ("physical search",)),
    "windows.pstree": (_pstree, ()),
    "windows.malware.psxview": (_psxview, ("physical search", "type index 0")),
    "windows.sessions": (_sessions, ()),
    "windows.cmdline": (_cmdline, ()),
    "windows.envars": (_envars, ("stored pointer",)),
    "windows.dlllist": (_dlllist, ()),
    "windows.malware.ldrmodules": (_ldrmodules, ("header of images",)),
    "windows.malware.pebmasquerade": (_pebmasquerade, ()),
    "windows.vadinfo": (_vadinfo, ()),
    "windows.vadwalk": (_vadwalk, ()),
    "windows.malware.malfind": (_malfind, ()),
    "windows.handles": (_handles, ("close bit", "type index 0")),
    "windows.threads": (_threads, ("end of threads",)),
    "windows.thrdscan": (_thrdscan, ("end of threads", "physical search")),
    "windows.privileges": (_privileges, ()),
    "windows.getsids": (_getsids, ()),
    "windows.getservicesids": (_getservicesids, ("own list",)),
    "windows.modules": (_modules, ()),
    "windows.registry.hivelist": (_hivelist, ()),
}
"""Stock plugin to how its rows are compared, and the differences that are left out."""


def stock_cell(plugin: str, rows: Rows, truth: Truth) -> Cell:
    """How a stock plugin's rows compare with an answer key."""
    compare, names = STOCK[plugin]
    since = {
        "physical search": truth["build"] < FIRST_SEARCHED_BY_ADDRESS,
        "close bit": truth["build"] <= LAST_WITH_CLOSE_BIT,
    }
    since["type index 0"] = truth["build"] >= FIRST_SEARCHED_BY_ADDRESS
    names = tuple(name for name in names if since.get(name, True))
    return compared(*compare(plain(rows), truth), names)


ASK = """
import json, sys
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
answer = {name: [] for name in ("processes", "VADs", "handles", "threads", "modules", "SIDs", "privileges")}
for process in vmm.process_list():
    pid = process.pid
    answer["processes"].append([pid, process.ppid, process.dtb, process.eprocess, process.is_wow64])
    try:
        answer["VADs"] += [[pid, vad["start"], vad["end"]] for vad in process.maps.vad()]
    except RuntimeError:
        answer["VADs"].append([pid, "cannot be asked"])
    answer["handles"] += [[pid, h["handle"], h["va-object"], h["access"]] for h in process.maps.handle()]
    answer["threads"] += [[pid, t["tid"], t["va-ethread"], t["va-teb"]] for t in process.maps.thread()]
    answer["modules"] += [[pid, m.base, m.image_size] for m in process.module_list() if not m.base >> 63]
    def text(name):
        try:
            read = vmm.vfs.read(f"/pid/{pid}/token/{name}", 1 << 16, 0).decode().splitlines()[2:]
        except RuntimeError:
            read = []
        return [line.split() for line in read if line.strip()]
    answer["SIDs"] += [[pid, line[-1]] for line in text("sid-all.txt")]
    answer["privileges"] += [[pid, line[2]] for line in text("privileges.txt")]
print("ANSWER" + json.dumps(answer))
"""
"""Asks MemProcFS about an image; prints ``ANSWER`` and facts by the name of a row of the table."""


def memprocfs_cells(answer: Mapping[str, list[Any]], truth: Truth) -> dict[str, Cell]:
    """How what MemProcFS says (:data:`ASK`) compares with an answer key: of processes that have not ended."""
    cast = [p for p in listed_truth(truth) if not p["exited"]]
    ended = {p["pid"] for p in listed_truth(truth) if p["exited"]}
    modules = [(p, m) for p in cast for m in p.get("modules", []) + p.get("modules32", [])]
    so: dict[str, list[Any]] = {
        "processes": [(p["pid"], p["ppid"], p["dtb"], p["eprocess"], p["wow64"]) for p in cast],
        "VADs": [(p["pid"], v["start"], v["end"]) for p in cast for v in p["vads"]],
        "handles": [(p["pid"], h["handle"], h["object"], h["access"]) for p in cast for h in p["handles"]],
        "threads": [(p["pid"], t["tid"], t["ethread"], t["teb"]) for p in cast for t in p["threads"]],
        "modules": [(p["pid"], m["base"], m["size"]) for p, m in modules],
        "SIDs": [(p["pid"], s["sid"]) for p in cast for s in p["token"]["sids"]],
        "privileges": [(p["pid"], name) for p in cast for name in p["token"]["privilege_names"]],
    }
    if not answer["threads"]:  # it found no thread of any process
        so["threads"] = []
    cells = {n: compared((r for r in answer[n] if r[0] not in ended), expected) for n, expected in so.items()}
    return cells | {"threads": cells["threads"]._replace(names=() if so["threads"] else ("threads unread",))}
