"""Rules over memory: code that no file gave, and pages that do not go with the VADs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from process_anatomy.absent import Absent
from process_anatomy.findings.expected import core_name
from process_anatomy.findings.rules import Clue, Severity, rule
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.address_space.code import Code
from process_anatomy.walk.address_space.vad_nodes import IMAGE_MAP
from process_anatomy.walk.program.system_calls import is_ntdll

PAYLOADS = {
    "fc4883e4f0e8": "clears the direction flag, aligns the stack and calls past data, as generated x64 payloads begin",
    "fce8": "clears the direction flag and calls past data, as generated x86 payloads begin",
    "4d5a4152554889e5": "an image's signature that runs as code, as self-loading libraries begin",
    "4d5ae8000000005b": "an image's signature that runs as code, as self-loading libraries begin",
}
"""First bytes of payload generators' code, which compilers and just-in-time compilers do not make.

Source: the block_api stubs of the Metasploit Framework (external/source/shellcode); Fewer, "Reflective DLL injection".
"""
HEAP_SIGNATURE, SIGNATURE_AT = bytes.fromhex("ffeeffee"), (0x8, 0x10)
"""_HEAP.Signature, and where it lies in a heap of 32 and of 64 bits."""
SUBSYSTEM, VISTA = "csrss.exe", 6000
SHORT_STUB = bytes.fromhex("fce8")
MANY = 4
"""Processes in which the same hook is no loader's work any more."""
TOLD = 4
"""Addresses that one line of evidence names at the most."""


def _region(row: Code) -> str:
    vad = row.range.vad
    where = f"{row.range.start:#x}" if isinstance(row.range.start, int) else "an unknown range"
    if vad is None:
        return f"pages at {where} that no VAD covers"
    kind = "memory" if isinstance(vad.private, Absent) else "private memory" if vad.private else "mapped memory"
    return f"{kind} at {where} ({vad.protection}), VAD {vad.address:#x}"


def _of_image(row: Code) -> bool:
    return row.range.vad is not None and row.range.vad.vad_type == IMAGE_MAP


def _told(addresses: tuple[int, ...]) -> str:
    more = f" and {len(addresses) - TOLD} more" if len(addresses) > TOLD else ""
    return ", ".join(f"{address:#x}" for address in addresses[:TOLD]) + more


@rule("injected-image", Severity.HIGH, rests=("vads", "pages"))
def injected_image(tables: Tables) -> Iterator[Clue]:
    """Executable memory that no file backs, with a PE header in it."""
    for row in tables.code:
        if row.headers and not _of_image(row):
            places = tuple(at for at, _ in row.headers)
            lines = [_region(row), f"a PE header at {_told(places)}"]
            if wiped := tuple(at for at, signed in row.headers if not signed):
                lines.append(f'without "MZ" before it at {_told(wiped)}')
            yield row.process, f"{places[0]:#x}", tuple(lines)


def _payload(head: bytes) -> str:
    """What first bytes are known to be the start of, empty for nothing known."""
    for start, what in PAYLOADS.items():
        octets = bytes.fromhex(start)
        if head.startswith(octets):
            # the short one is common by chance: the call behind it goes a short way forward
            if octets == SHORT_STUB and not 0x40 <= int.from_bytes(head[2:6], "little") <= 0x200:
                continue
            return what
    return ""


def _of_old_subsystem(row: Code, name: str, number: int) -> bool:
    """Whether this is what csrss.exe itself had in Windows XP and Server 2003, which may be written and run.

    That is the heap that it shares with every program of its session (a section, never private), and the page at
    address 0, where 16-bit programs have their interrupts.
    """
    vad = row.range.vad
    if name != SUBSYSTEM or number >= VISTA or vad is None:
        return False
    heap = any(row.head[at : at + 4] == HEAP_SIGNATURE for at in SIGNATURE_AT)
    return row.range.start == 0 or (vad.private == 0 and row.first == row.range.start and heap)


@rule("injected-code", Severity.HIGH, rests=("vads", "pages"))
def injected_code(tables: Tables) -> Iterator[Clue]:
    """Executable memory that no file backs, and that begins as injected code does, or lies where nobody makes code."""
    for row in tables.code:
        if row.headers or _of_image(row) or row.range.vad is None:
            continue
        lines = [_region(row), f"{row.first:#x} begins {row.head[:16].hex(' ')}"]
        if known := _payload(row.head):
            yield row.process, f"{row.first:#x}", (*lines, known)
        elif "WRITE" in str(row.range.vad.protection) and (name := core_name(row.process, tables.number)) is not None:
            if _of_old_subsystem(row, name, tables.number):
                continue
            line = f"{name} compiles no code while it runs, yet this memory can be written and run"
            yield row.process, f"{row.first:#x}", (*lines, line)


@rule("executable-memory", Severity.INFO, rests=("vads", "pages"))
def executable_memory(tables: Tables) -> Iterator[Clue]:
    """Executable memory that no file backs: the places where injected code would be."""
    for row in tables.code:
        if not _of_image(row) and row.range.vad is not None:
            begins = f"{row.first:#x} begins {row.head[:16].hex(' ')}"
            yield row.process, f"{row.range.start:#x}", (_region(row), begins)


@rule("beyond-vad", Severity.MEDIUM, rests=("vads", "pages"))
def beyond_vad(tables: Tables) -> Iterator[Clue]:
    """Pages that the page tables let run, in a range whose VAD does not."""
    for row in tables.code:
        vad = row.range.vad
        if vad is None or not isinstance(vad.protection, str) or "EXECUTE" in vad.protection:
            continue
        line = f"the page tables let it run: {row.range.hardware}; {row.range.disagreement}"
        yield row.process, f"{row.first:#x}", (_region(row), line)


@rule("uncovered-code", Severity.HIGH, rests=("vads", "pages"))
def uncovered_code(tables: Tables) -> Iterator[Clue]:
    """Executable pages that no VAD covers, in a process whose tree is known to its last node."""
    for row in tables.code:
        if row.range.vad is None and row.process.own_space:
            begins = f"{row.first:#x} begins {row.head[:16].hex(' ')}"
            yield row.process, f"{row.first:#x}", (_region(row), row.range.hardware, begins)


@rule("patched-code", Severity.MEDIUM, rests=("vads", "pages"))
def patched_code(tables: Tables) -> Iterator[Clue]:
    """Code pages of a mapped image that this process has changed for itself."""
    for row in tables.code:
        if not _of_image(row) or row.range.vad is None:
            continue
        places = row.range.own_code
        file = row.range.vad.file if isinstance(row.range.vad.file, str) else "an image"
        lines = (
            f"{file} at {row.range.start:#x}, VAD {row.range.vad.address:#x}",
            f"not the section's pages any more: {_told(places)}",
        )
        yield row.process, f"{file.rsplit(chr(92), 1)[-1]} at {places[0]:#x}", lines


@rule("blinded-loader", Severity.HIGH, rests=("vads", "pages"))
def blinded_loader(tables: Tables) -> Iterator[Clue]:
    """A function of ntdll.dll that asks the kernel about images, and that does something else in this process."""
    calls = [each for each in tables.changed_calls if not each.hooked]
    leading = Counter(each.function for each in calls if each.answers is None)
    processes = sum(row.vad is not None and is_ntdll(row.vad) for row in tables.pages.rows)
    for each in calls:
        # what is so in half of all processes is a product's hook by way of its own memory; patched-code tells of it
        if each.answers is None and leading[each.function] >= MANY and 2 * leading[each.function] >= processes:
            continue
        now, was = (octets if isinstance(octets, Absent) else octets.hex(" ") for octets in (each.code, each.shared))
        lines = [f"{each.function} at {each.address:#x} is {now}", f"all others have {was}"]
        if each.answers is not None:
            lines.append(f"it answers {each.answers:#x} and does not ask the kernel")
        if each.target is not None:
            where = "an unknown range" if each.into is None else f"{each.into.vad_type}, VAD {each.into.address:#x}"
            lines.append(f"it leads to {each.target:#x} ({where})")
        yield each.process, each.function, tuple(lines)
