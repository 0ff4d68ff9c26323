"""Print what real small memory dumps hold, as the Markdown tables of ``docs/real-dumps.md``.

    python scripts/describe_dumps.py FOLDER

FOLDER holds the dumps (``*.dmp``) and, if their sources are to be named, ``MANIFEST.json``.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from process_anatomy.kernel.small_dump import disagreements, open_small_dump
from process_anatomy.memory.small_dump import SmallDump, SmallDumpError
from process_anatomy.walk.across.creation import creations
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.security.tokens import tokens
from process_anatomy.walk.threads.listed import threads
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.handle import HANDLE_TABLE
from structs.section import FILE_OBJECT
from structs.token import TOKEN
from structs.vad import MMVAD_SHORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from structs.layout import Build, Layout

EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)
PAGE_OFFSET = 0xFFF
MAX_STEPS = 4096
SESSION_HEADER = 16  # bytes of the session's record up to its number


def moment(filetime: int) -> datetime:
    """A FILETIME as a date; dates past the end of the calendar become its last second."""
    try:
        return EPOCH + timedelta(microseconds=filetime // 10)
    except OverflowError:
        return datetime.max.replace(tzinfo=timezone.utc)


def yes(fact: bool) -> str:
    """A check's outcome for the table."""
    return "yes" if fact else "**no**"


def text(octets: bytes) -> str:
    """A zero-ended name."""
    return octets.partition(b"\0")[0].decode("ascii", "replace")


def read_list(dump: SmallDump, head: int) -> tuple[int, bool]:
    """Follow Flink from one list entry: steps until a link is not in the dump, and whether it came back."""
    seen: set[int] = set()
    address = head
    while address not in seen and len(seen) < MAX_STEPS:
        link = dump.read(address, 8)
        if link is None:
            return len(seen), False
        seen.add(address)
        address = int.from_bytes(link, "little")
    return len(seen), address == head


def count_vads(dump: SmallDump, build: Build, root: int) -> int:
    """How many nodes of the VAD tree can be reached through nodes that are in the dump."""
    node = build[MMVAD_SHORT]
    seen: set[int] = set()
    todo = [root]
    while todo and len(seen) < MAX_STEPS:
        address = todo.pop()
        octets = dump.read(address, node.sizeof) if address and address not in seen else None
        if octets is not None:
            seen.add(address)
            record = node.struct.parse(octets)
            todo += [record.Left, record.Right]
    return len(seen)


class Description:
    """One dump, with its process and thread read through the layout that fits it."""

    def __init__(self, dump: SmallDump) -> None:
        self.dump = dump
        kernel = open_small_dump(dump)
        self.build, self.file = kernel.build, kernel.file
        self.process = self._parse(EPROCESS, dump.process)
        self.thread = self._parse(ETHREAD, dump.thread)

    def _parse(self, layout: Layout, octets: bytes) -> Any:
        structure = self.build[layout]
        return structure.struct.parse(octets.ljust(structure.sizeof, b"\0"))

    def held(self, layout: Layout, address: int) -> bool:
        """Whether the whole structure that a pointer leads to is in the dump."""
        size = self.build.sizes.get(layout.name, 1)
        return bool(address) and self.dump.reach(address) >= size

    def contents(self) -> list[str]:
        """Row of the first table: what the dump says."""
        dump = self.dump
        up = "" if dump.uptime is None else f"{dump.uptime / 10_000_000:.1f} s"
        return [
            str(dump.build_number),
            str(self.file or "not known"),
            self.build.name,
            str(dump.processors),
            f"{dump.bugcheck_code:#x}",
            f"{moment(dump.system_time):%Y-%m-%d %H:%M:%S}",
            up,
            f"{text(self.process.ImageFileName)} ({self.process.UniqueProcessId})",
            f"{self.thread.UniqueProcess}.{self.thread.UniqueThread}",
            str(len(dump.drivers)),
        ]

    def place_in_list(self) -> str:
        """Where the process stands in the list of processes, judged by links that meet the list's head."""
        links, head = self.process.ActiveProcessLinks, self.dump.ps_active_process_head
        if links.Blink == head:
            return "first" + ("" if self.process.UniqueProcessId == 4 else " (**not System**)")
        if self.process.UniqueProcessId == 4:
            return "**not the first**"
        return "last" if links.Flink == head else "neither end"

    def checks(self) -> list[str]:
        """Row of the second table: what confirms the values."""
        dump, process = self.dump, self.process
        started, crashed = moment(process.CreateTime), moment(dump.system_time)
        boot = moment(dump.system_time - dump.uptime if dump.uptime is not None else 0)
        root = process.DirectoryTableBase
        flags = f" ({root & PAGE_OFFSET:#x} masked)" if root & PAGE_OFFSET else ""
        return [
            yes(not disagreements(dump, self.build)) + (", estimated" if self.build.estimated else ""),
            yes(root & ~PAGE_OFFSET == dump.directory_table_base & ~PAGE_OFFSET) + flags,
            yes(dump.process_proved and dump.thread_proved),
            yes(self.thread.UniqueProcess == process.UniqueProcessId),
            self.place_in_list(),
            yes(boot <= started <= crashed),
            yes(bool(dump.drivers) and dump.drivers[0].base == dump.kernel_base),
            yes(dump.complete),
            "none" if not dump.problems else "; ".join(dump.problems),
        ]

    def memory(self) -> list[str]:
        """Row of the third table: the fragments, and what the process's pointers lead to."""
        dump, process = self.dump, self.process
        links = process.ActiveProcessLinks
        neighbours, closed = read_list(dump, links.Flink)
        handles = "no"
        octets = dump.read(process.ObjectTable, self.build[HANDLE_TABLE].sizeof)
        if octets is not None:
            table = self._parse(HANDLE_TABLE, octets)
            handles = f"{table.HandleCount} handles, {dump.reach(table.TableCode & ~3) // 16} entries"
        return [
            f"{len(dump.fragments)} ({sum(f.size for f in dump.fragments) // 1024} KiB)",
            str(dump.overlaps),
            yes_or_none(self.held(TOKEN, process.Token & ~0xF), process.Token),
            f"{count_vads(dump, self.build, process.VadRoot)} of {process.VadCount}",
            handles,
            yes_or_none(dump.reach(process.Peb) > 0, process.Peb),
            yes_or_none(self.held(FILE_OBJECT, process.get("ImageFilePointer") or 0), process.get("ImageFilePointer")),
            yes_or_none(self.full_name() != "", process.Peb),
            yes_or_none(dump.reach(process.Session) >= SESSION_HEADER, process.Session),
            f"{neighbours}{', whole circle' if closed else ''}",
        ]

    def context(self) -> list[str]:
        """Row of the fourth table: who asked for the process, and what is known of its security context."""
        kernel = open_small_dump(self.dump)
        listed = processes(kernel).rows
        (own,) = (row for row in listed if row.address == self.dump.process_address)
        (thread,) = threads(kernel, listed).rows
        (made,) = creations(kernel, [own], listed, tokens(kernel, listed))
        token = made.token
        level = thread.level if isinstance(thread.level, int) else 0
        stale = "no, although a token is left" if self.thread.ImpersonationData else "no"
        return [
            str(made.parent.pid),
            str(made.creator.pid),
            f"yes, level {level}" if isinstance(thread.client_token, int) else stale,
            *(f"{v:#x}" if isinstance(v, int) else "-" for v in (token.token_id, token.authentication_id)),
            f"{token.parent_token_id:#x}" if isinstance(token.parent_token_id, int) else "-",
            str(token.privilege_summary) if isinstance(token.present, int) else "-",
            str(token.flag_names).replace(",", " ") if isinstance(token.flags, int) else "-",
        ]

    def full_name(self) -> str:
        """The path of the executable as it was audited, where it is in the dump."""
        header = self.dump.read(self.process.SeAuditProcessCreationInfo, 16)
        if header is None:
            return ""
        length, buffer = int.from_bytes(header[:2], "little"), int.from_bytes(header[8:], "little")
        return (self.dump.read(buffer, length) or b"").decode("utf-16-le", "replace")


def yes_or_none(fact: bool, pointer: int | None) -> str:
    """Whether a pointer's target is in the dump, or a dash where the process has no such pointer."""
    return "-" if not pointer else "yes" if fact else "no"


def table(head: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    """The lines of a Markdown table."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def describe(folder: Path) -> str:
    """All tables for the dumps of a folder."""
    manifest = folder / "MANIFEST.json"
    listed = json.loads(manifest.read_text("utf-8"))["files"] if manifest.exists() else []
    sources = {entry["file"]: entry["source"] for entry in listed}
    dumps: dict[str, Description] = {}
    refused: list[list[str]] = []
    for path in sorted(folder.glob("*.dmp")):
        try:
            dumps[path.name] = Description(SmallDump(path.read_bytes()))
        except SmallDumpError as error:
            refused.append([path.name, str(error)])
    origin = []
    for name in [*dumps, *(row[0] for row in refused)]:
        source = sources.get(name, {})
        place = [source.get("repo", "not recorded"), source.get("path", ""), source.get("member", "")]
        origin.append([name, *place, source.get("commit", "")[:12]])
    short = {name: name.removeprefix("triage-").removesuffix(".dmp") for name in dumps}
    contents = [
        "dump",
        "build",
        "kernel file",
        "layout",
        "processors",
        "bug check",
        "time (UTC)",
        "up for",
        "process (pid)",
    ]
    checks = ["dump", "sizes as KDBG", "DTB as header", "addresses proved", "thread's pid", "in the list"]
    memory = ["dump", "fragments", "overlaps", "token", "VADs", "handle table", "PEB", "file object", "full name"]
    sections = {
        "What the dumps say": table(
            [*contents, "thread (pid.tid)", "drivers"], ([short[n], *d.contents()] for n, d in dumps.items())
        ),
        "What confirms it": table(
            [*checks, "created since boot", "kernel base", "whole", "problems"],
            ([short[n], *d.checks()] for n, d in dumps.items()),
        ),
        "What memory they hold": table(
            [*memory, "session", "next links"], ([short[n], *d.memory()] for n, d in dumps.items())
        ),
        "What they say of creator and token": table(
            [
                "dump",
                "parent",
                "creator",
                "impersonates",
                "TokenId",
                "AuthenticationId",
                "ParentTokenId",
                "privileges",
                "TokenFlags",
            ],
            ([short[n], *d.context()] for n, d in dumps.items()),
        ),
        "What was refused": table(["dump", "answer"], refused),
        "Where the dumps come from": table(["file", "source", "path", "member", "commit"], origin),
    }
    return "\n".join(f"## {title}\n\n" + "\n".join(lines) + "\n" for title, lines in sections.items())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(describe(Path(sys.argv[1])), end="")
