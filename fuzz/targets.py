"""Who reads what a stranger may have made: each with its seeds, and with the errors that it may end with.

What else is raised is a fault, as is a wrong value where nothing was damaged (:class:`WrongError`).
"""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.recipes import words_of
from process_anatomy.errors import Error
from structs.layout import LayoutError

PAGE = 0x1000
CHECKED_PAGES = 16
"""Pages of a file that are asked for once it was taken for one that can be read."""


class WrongError(Exception):
    """A fact changed that the damage did not touch, and nothing tells of it."""


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        seeds: gives what is damaged, by name.
        read: reads one.
        may: errors that tell of damage, and are no faults.
        slow: whether one reading takes longer than a few milliseconds.
    """

    seeds: Callable[[], Mapping[str, bytes]]
    read: Callable[[bytes], Any]
    may: tuple[type[BaseException], ...] = ()
    slow: bool = False


def _pages(packed: Any) -> None:
    for number in range(CHECKED_PAGES):
        content = packed.page(number)
        if isinstance(content, bytes) and len(content) != PAGE:
            raise WrongError(f"a page of {len(content)} octets")


def _reader(data: bytes) -> Callable[[int, int], bytes | None]:
    return lambda address, size: data[address : address + size] if 0 <= address <= len(data) - size else None


def _written(writer: Callable[[Any, Path], object], image: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        writer(image, path)
        return path.read_bytes()


@cache
def _hibernations() -> dict[str, bytes]:
    from tests import hibernated

    return {
        f"{arch}-{build}": _written(hibernated.write, hibernated.small(build, arch, 40))
        for build, arch in hibernated.BUILDS
    }


def _hibernation(data: bytes) -> None:
    from process_anatomy.memory.hibernation import read_hibernation

    _pages(read_hibernation(_reader(data), len(data)).packed)


@cache
def _zdmps() -> dict[str, bytes]:
    from tests.memory.test_zdmp import whole

    return {"dump": whole()}


def _zdmp(data: bytes) -> None:
    from process_anatomy.memory.zdmp import read_zdmp

    _pages(read_zdmp(_reader(data), len(data)).packed)


@cache
def _small_dumps() -> dict[str, bytes]:
    from tests.memory.test_small_dump import make_dump

    return {"made": make_dump()}


def _small_dump(data: bytes) -> None:
    from process_anatomy.memory.small_dump import SmallDump

    dump = SmallDump(data)
    for fragment in dump.fragments[:CHECKED_PAGES]:
        if dump.read(fragment.address, 1) is None:
            raise WrongError("a fragment that is not there")
    str(dump.problems)


@cache
def _packed() -> dict[str, bytes]:
    from process_anatomy.forge.memory import compressors

    text = (b"a page of memory, again and again; " * 120)[:PAGE]
    return {
        name: getattr(compressors, name)(text) for name in ("xpress", "xpress_huffman") if hasattr(compressors, name)
    }


def _unpacked(data: bytes) -> None:
    from process_anatomy.memory import decompression

    for found in (
        decompression.xpress(data), decompression.xpress_huffman(data, PAGE), decompression.lznt1(data, PAGE),
        decompression.lz4(data),
    ):  # fmt: skip
        if isinstance(found, bytes) and len(found) > PAGE:
            raise WrongError(f"{len(found)} octets of a page")


@cache
def _programs() -> dict[str, bytes]:
    from tests.walk.program.test_portable import laid_out

    space: Any = laid_out({0: (0x1000, 0x100), 1: (0x1100, 0x100), 6: (0x1200, 0x40)}, bytes(range(256)) * 16).space
    return {"made": bytes(space.data)}


def _program(data: bytes) -> None:
    from process_anatomy.kernel.image import PeImage
    from process_anatomy.walk.program.portable import pe_facts
    from tests.walk.program.test_portable import BASE, Flat

    pe_facts(PeImage(Flat(data), BASE))  # type: ignore[arg-type]


CONTENT = bytes(range(256)) * 16


@cache
def _archives() -> dict[str, bytes]:
    folder = io.BytesIO()
    with zipfile.ZipFile(folder, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("read me.txt", "case/mem.raw"):
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), CONTENT)
    return {"zip": folder.getvalue(), "gz": gzip.compress(CONTENT, mtime=0)}


def _archive(form: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from process_anatomy.samples.unpack import unpack

        with tempfile.TemporaryDirectory() as folder:
            archive, target = Path(folder) / "archive", Path(folder) / "image"
            archive.write_bytes(data)
            unpack(archive, form, target, size=len(CONTENT))

    return read


@cache
def _tables() -> dict[str, bytes]:
    from tests.structs.test_symbol_tables import miniature

    return {"miniature": json.dumps(miniature()).encode()}


def _table(data: bytes) -> None:
    from structs.isf import from_isf

    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return
    from_isf(told, "damaged")


@cache
def _page_tables() -> dict[str, bytes]:
    octets = np.zeros(16 * PAGE, dtype=np.uint8)
    words = octets.view("<u8")
    for page in range(1, 15):
        words[page * 512 : page * 512 + 512 : 37] = (page + 1) * PAGE | 0x867
    words[512 + 0x1ED] = PAGE | 0x63
    return {"a chain of tables": octets.tobytes()}


def _translated(data: bytes) -> None:
    from process_anatomy.memory import paging
    from process_anatomy.memory.physical import MappedMemory, Run

    memory = MappedMemory(np.frombuffer(data, np.uint8), [Run(0, len(data), 0)])
    asked = np.array(
        [n * 0x25_0250_2502_5000 & (1 << 64) - 1 for n in range(24)] + [0x1000, 37 << 39, 1 << 47], np.uint64
    )
    for mode in (paging.X64, paging.LA57, paging.PAE, paging.X86):
        many = paging.translate(memory, asked, PAGE, mode)
        for row, address in enumerate(asked.tolist()):
            physical, state = paging.translate_one(memory, address, PAGE, mode)
            if state != many.state[row] or (state <= paging.READABLE and physical != int(many.physical[row])):
                raise WrongError(f"{address:#x} is translated in two ways")


@cache
def _machine() -> Any:
    from process_anatomy.forge import forge
    from tests.walk.losses import small_lab

    return forge(small_lab(), 7)


@cache
def _memory() -> dict[str, bytes]:
    image = _machine()
    return {"small lab": b"".join(image.physical[frame] for frame in sorted(image.physical))}


@cache
def _facts() -> tuple[Any, Any]:
    """What every view and the rules say of the whole machine."""
    from tests.walk.damaged import kernel_of
    from tests.walk.losses import KEYS, heard, judged

    return heard(kernel_of(_machine()), KEYS), judged(kernel_of(_machine()))


@cache
def _numbers() -> tuple[int, ...]:
    return tuple(sorted(_machine().physical))


def _walked(data: bytes) -> None:
    """Every view of a damaged machine, and the rules: each ends, and each cell is told or says why it is not."""
    from process_anatomy.views import view as view_named
    from process_anatomy.views.image import Image
    from tests.walk.damaged import kernel_of
    from tests.walk.losses import KEYS

    frames = {frame: data[n * PAGE : (n + 1) * PAGE] for n, frame in enumerate(_numbers())}
    frames = {frame: page for frame, page in frames.items() if len(page) == PAGE}
    image = Image(kernel_of(_machine(), frames))
    for name in (*KEYS, "findings", "selfcheck"):
        columns = len(view_named(name).columns)
        for _, cells in image.view(name).rows():
            if len(cells) < columns:
                raise WrongError(f"{name}: {len(cells)} cells of {columns} columns")


def _compared(data: bytes) -> None:
    """Nothing that the damage did not touch changes in silence: what goes or is another is told somewhere."""
    from tests.walk.damaged import kernel_of
    from tests.walk.losses import KEYS, TELLING, heard, judged

    before, rules = _facts()
    whole = _memory()["small lab"]
    touched = {
        frame
        for n, frame in enumerate(_numbers())
        if data[n * PAGE : (n + 1) * PAGE] != whole[n * PAGE : (n + 1) * PAGE]
    }
    frames = {frame: data[n * PAGE : (n + 1) * PAGE] for n, frame in enumerate(_numbers())}
    frames = {frame: page for frame, page in frames.items() if len(page) == PAGE}
    kernel = kernel_of(_machine(), frames)
    after = heard(kernel, KEYS)
    told = any(after.lines[name] - before.lines[name] for name in (*TELLING, *KEYS))
    lost: list[tuple[str, tuple[str, ...]]] = []
    for name in KEYS:
        gone = [(name, key) for key in before.rows[name] if key not in after.rows[name]]
        if len(gone) > len(after.rows[name].keys() - before.rows[name].keys()):  # else their names were changed
            lost += gone
    if lost and touched and not told and not judged(kernel) - rules:
        raise WrongError(f"{len(lost)} rows went without a word, {lost[0]} first")


@cache
def _notes() -> dict[str, bytes]:
    words = (
        "# VAD\n\nA range of addresses. ^vad\n\n"
        "| term | words |\n|---|---|\n| `_EPROCESS` | a process |\n| **token** | who |\n"
    )
    more = (
        "\n## Handle (analogy)\n\n- a ticket\n  - [[PEB]] ![[picture.png]] #tag\n\n> [!note] PEB\n> ==its== own\n\n"
        "```\ncode\n```\n"
    )
    return {"note": (words + more).encode()}


def _from_file(name: str, data: bytes, read: Callable[[Path], object]) -> None:
    """Read what lies in a file of this name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        read(path)


def _note(data: bytes) -> None:
    """A note of the reader's own."""
    from process_anatomy.notes.own.matching import open_note

    _from_file("note.md", data, open_note)


@cache
def _scenarios() -> dict[str, bytes]:
    from process_anatomy.forge.scenarios.reading import available

    known = available()
    return {name: known[name].read_bytes() for name in sorted(known)[:4]}


def _scenario(data: bytes) -> None:
    from process_anatomy.forge.scenarios.reading import scenario

    _from_file("damaged.toml", data, scenario)


@cache
def _bins() -> dict[str, bytes]:
    from tests.walk.registry.test_cells import WHOLE

    return {"SYSTEM": WHOLE}


KEYS_READ = 60


def _hive(data: bytes) -> None:
    """Keys from the top, their values and their data; each says what is wrong with it."""
    from process_anatomy.walk.registry.keys import Key, key_in
    from tests.walk.registry.test_cells import reader

    pending: list[Any] = [key_in(reader(data), 0x20)]
    for _ in range(KEYS_READ):
        key = pending.pop() if pending else None
        if isinstance(key, Key):
            for value in key.values().rows:
                value.data()
            pending += key.subkeys().rows


SERVING = ("csrss.exe", "Registry", "MemCompression", "System")
"""Processes whose own memory tells of others."""


@cache
def _private() -> dict[int, int]:
    """Frames that one process alone maps in user space, and the PID of that process."""
    from process_anatomy.memory import paging
    from tests.walk.damaged import kernel_of

    memory = kernel_of(_machine()).space.memory
    owners: dict[int, set[int]] = {}
    for process in _machine().truth["processes"]:
        for found in paging.leaves(memory, process["dtb"], 0, (1 << 47) - 1):
            for frame in (found.physical >> np.uint64(12)).tolist():
                owners.setdefault(frame, set()).add(-1 if process["name"] in SERVING else process["pid"])
    return {frame: min(pids) for frame, pids in owners.items() if len(pids) == 1 and -1 not in pids}


def _of_others(data: bytes) -> None:
    """Damage within the pages of one process changes no fact of another."""
    from tests.walk.damaged import kernel_of
    from tests.walk.losses import KEYS, heard

    whole, private, frames, hurt = _memory()["small lab"], _private(), {}, set[int]()
    for n, frame in enumerate(_numbers()):
        page = data[n * PAGE : (n + 1) * PAGE]
        original = whole[n * PAGE : (n + 1) * PAGE]
        usable = len(page) == PAGE and page != original and frame in private and not hurt - {private[frame]}
        if usable:
            hurt.add(private[frame])
        frames[frame] = page if usable else original
    if not hurt:
        return
    before, after = _facts()[0], heard(kernel_of(_machine(), frames), KEYS)
    for name, key in KEYS.items():
        if key[0] != "PID":
            continue
        for row, cells in before.rows[name].items():
            if int(row[0]) not in hurt and after.rows[name].get(row) != cells:
                raise WrongError(f"{name} {row}: another process's memory was damaged, {hurt}")


REFUSED = (Error, LayoutError, ValueError)
TARGETS: dict[str, Target] = {
    "hibernation": Target(_hibernations, _hibernation, REFUSED),
    "zdmp": Target(_zdmps, _zdmp, REFUSED),
    "small-dump": Target(_small_dumps, _small_dump, REFUSED),
    "compressed-page": Target(_packed, _unpacked),
    "program": Target(_programs, _program, REFUSED),
    "symbol-table": Target(_tables, _table, (LayoutError,)),
    "page-tables": Target(_page_tables, _translated),
    "archive-zip": Target(lambda: {"zip": _archives()["zip"]}, _archive("zip"), (Error,)),
    "archive-gz": Target(lambda: {"gz": _archives()["gz"]}, _archive("gz"), (Error,)),
    "note": Target(_notes, _note, (Error,)),
    "scenario": Target(_scenarios, _scenario, (Error,)),
    "hive": Target(_bins, _hive),
    "views": Target(_memory, _walked, (Error, LayoutError), slow=True),
    "others": Target(_memory, _of_others, (Error, LayoutError), slow=True),
    "losses": Target(_memory, _compared, (Error, LayoutError), slow=True),
}
"""Every reader by name."""


@cache
def places(target: str, seed: str) -> Sequence[int]:
    """Where damage of a seed hurts: words that are not zero."""
    found = words_of(TARGETS[target].seeds()[seed])
    if target == "others":
        private = np.array([frame in _private() for frame in _numbers()])
        found = [at for at in found if private[at // PAGE]]
    return found
