"""Image files of every form are read, or named and declined for their own reason; nothing claims a search not made."""

from __future__ import annotations

import json
import lzma
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from volatility3.framework import contexts
from volatility3.framework.exceptions import InvalidAddressException
from volatility3.framework.layers import crash
from volatility3.framework.layers.physical import FileLayer
from volatility3.framework.layers.scanners import BytesScanner

from process_anatomy.errors import ImageError, NotWindows, NotYet
from process_anatomy.forge import LAB, forge, write_lime
from process_anatomy.forge.machine.hibernation import write_hibernation
from process_anatomy.forge.memory.compressors import lznt1
from process_anatomy.memory.hibernation import read_hibernation
from process_anatomy.memory.packed import PackedMemory
from process_anatomy.memory.paging import translate_one
from process_anatomy.volatility import declining, formats, open_path
from process_anatomy.volatility.layers import on_top
from process_anatomy.volatility.packed import HibernationLayer
from process_anatomy.walk.processes.listed import processes
from structs.dump import DUMP_TYPE_OFFSET64
from tests.conftest import ROOT
from tests.generations import lab
from tests.in_process import rows_of

SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
PROCESSES = 29
Case = Callable[[str], Path]


def pids(path: Path, dtb: int | None = None) -> set[object]:
    """The ids of the processes in an image."""
    return {row.pid for row in processes(open_path(path, dtb=dtb)).rows}


@pytest.fixture(scope="module")
def key(shared: Path) -> set[object]:
    """The process ids of the cases' base image, as its answer key has them."""
    truth = json.loads(lzma.decompress((shared / "cases" / "base-19041.truth.json.xz").read_bytes()))
    return {row["pid"] for row in truth["processes"]}


def dump_of_type(path: Path, kind: int) -> Path:
    """The sample with another type in its header."""
    content = bytearray(SAMPLE.read_bytes())
    content[DUMP_TYPE_OFFSET64] = kind
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", [6, 7])
def test_a_kernel_bitmap_dump_is_read_as_a_full_one(kind: int, tmp_path: Path) -> None:
    """Its bitmap of pages has the same form."""
    assert len(pids(dump_of_type(tmp_path / "kernel.dmp", kind))) == PROCESSES


def test_a_kernel_bitmap_dump_from_elsewhere_is_read_whole(case: Case, key: set[object], tmp_path: Path) -> None:
    """All rows of the key, with the type that "automatic" writes."""
    content = bytearray(case("base-19041.bmp.dmp").read_bytes())
    content[DUMP_TYPE_OFFSET64] = 6
    path = tmp_path / "automatic.dmp"
    path.write_bytes(content)
    assert len(key) == 37
    assert pids(path) == key


def test_a_cut_kernel_bitmap_dump_is_told_as_truncated(tmp_path: Path) -> None:
    """With the number of bytes that are not there."""
    path = dump_of_type(tmp_path / "kernel.dmp", 6)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    with pytest.raises(NotWindows, match=r"truncated: \d+ bytes that its header promises are not in it"):
        open_path(path)


@pytest.mark.parametrize("size", [0x1000, 0x1800, 0x2000, 0x2001, 0x2037, 0x2040])
def test_a_bitmap_dump_that_ends_before_its_first_page_is_told_as_cut_off(size: int, tmp_path: Path) -> None:
    """Volatility's own layer of it never ends on some of these."""
    path = tmp_path / "full.dmp"
    path.write_bytes(SAMPLE.read_bytes()[:size])
    with pytest.raises(NotWindows, match="its header, or the list of pages that follows it, is damaged or cut off"):
        open_path(path)


def test_volatility_finds_the_same_pages_in_a_bitmap_dump() -> None:
    """Its own layer, which asks for each bit by itself."""
    context = contexts.Context()
    context.config["file.location"] = SAMPLE.as_uri()
    context.add_layer(FileLayer(context, "file", "file"))
    ours, stock = (on_top(context, "file", kind) for kind in (formats.BitmapDump64Layer, crash.WindowsCrashDump64Layer))
    end = stock.maximum_address
    assert ours.maximum_address == end
    assert list(ours.mapping(0, end, ignore_errors=True)) == list(stock.mapping(0, end, ignore_errors=True))
    context.layers["file"].destroy()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (2, "type 2: kernel, which"),
        (3, "type 3: header only, which"),
        (8, r"type 8: kernel \(a debugger's .dump /k\)"),
        (9, r"type 9: kernel and user \(a debugger's .dump /ka\)"),
        (10, r"type 10: complete \(a debugger's .dump /f\)"),
        (77, "unknown type 0x4d"),
    ],
)
def test_a_crash_dump_of_another_type_is_named_and_declined(kind: int, words: str, tmp_path: Path) -> None:
    """No search of a file whose pages lie elsewhere, and no talk of one."""
    path = tmp_path / "other.dmp"
    path.write_bytes(dump_of_type(path, kind).read_bytes()[:0x40000])
    with pytest.raises(NotYet, match=words) as told:
        open_path(path)
    assert "searched" not in str(told.value)


def test_a_core_file_of_a_32_bit_guest_is_read(case: Case) -> None:
    """As ``virsh dump --memory-only`` writes it."""
    found = pids(case("x-2600.elf32"))
    assert {0, 4} & found
    assert len(found) > 10


def test_lime_with_bytes_after_its_last_range_is_read_and_they_are_told(tmp_path: Path) -> None:
    """All rows; one doubt that counts the bytes."""
    path = tmp_path / "tail.lime"
    write_lime(forge(LAB), path)
    whole = pids(path)
    with path.open("ab") as file:
        file.write(b"acquired by nobody " * 8)
    kernel = open_path(path)
    assert {row.pid for row in processes(kernel).rows} == whole
    assert kernel.doubts == (
        "the LiME file has 152 bytes after its last range that are not read: no range starts there",
    )


NAMED = {
    "WAKE": (b"WAKE", NotYet, r"hibernation file of a system that was resumed from it \(it begins with WAKE\)"),
    "RSTR": (b"RSTR", NotYet, "hibernation file of a system that was resuming from it"),
    "LINK": (b"LINK", NotYet, "hibernation file only leads to one on another volume"),
    "HIBR": (b"HIBR", NotYet, "hibernation file cannot be read: its header says that it has 0x0 bytes"),
    "wake": (b"wake", NotYet, "hibernation file of a system that was resumed from it"),
    "rar": (b"Rar!\x1a\x07\x01\0", NotWindows, "a RAR archive, not a memory image; unpack it first"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", NotWindows, "a 7z archive, not a memory image; unpack it first"),
    "zip": (b"PK\x03\x04", NotWindows, "a ZIP archive, not a memory image; unpack it first"),
    "qcow2": (b"QFI\xfb", NotWindows, "a virtual disk"),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_file_with_its_own_mark_is_named_at_once(name: str, tmp_path: Path) -> None:
    """Hibernation files and archives; no search is claimed, for none is made."""
    start, kind, words = NAMED[name]
    path = tmp_path / "input"
    path.write_bytes(start + bytes(1 << 20))
    with pytest.raises(kind, match=words) as told:
        open_path(path)
    assert "searched" not in str(told.value)
    assert "truncated" not in str(told.value)


@pytest.mark.parametrize(("library", "kind", "words"), [(False, NotYet, "libsnappy"), (True, NotWindows, "damaged")])
def test_avml_is_named_with_what_it_lacks(
    library: bool, kind: type[ImageError], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its decompressor that is the reason; with it the file is damaged."""
    monkeypatch.setattr(declining, "avml", SimpleNamespace(HAS_SNAPPY=library))
    path = tmp_path / "input.avml"
    path.write_bytes(b"AVML\2\0\0\0" + bytes(1 << 20))
    with pytest.raises(kind, match=words):
        open_path(path)


@pytest.mark.parametrize("name", ["noself-ff", "noself-text"])
def test_filler_in_the_first_page_hides_no_image(name: str, case: Case, key: set[object]) -> None:
    """Whatever the capturing tool wrote there, the page tables are found, and with --dtb none are searched for."""
    assert pids(case(f"{name}.raw")) == key
    assert pids(case(f"{name}.raw"), dtb=0x1AD000) == key


def test_a_search_is_told_only_where_it_was_made(tmp_path: Path) -> None:
    """A text and a page of one letter: both were searched, the second is no text."""
    path = tmp_path / "input"
    path.write_bytes(b"a text, nothing else\n" * 5000)
    with pytest.raises(NotWindows, match=r"looks like a text file.*searched"):
        open_path(path)
    path.write_bytes(b"\xff" * (1 << 17))
    with pytest.raises(NotWindows, match=r"^not a Windows memory image.*searched"):
        open_path(path)


@pytest.fixture(scope="module")
def hibernated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The memory of the sample as a hibernation file."""
    path = tmp_path_factory.mktemp("hibernated") / "hiberfil.sys"
    write_hibernation(forge(LAB), path)
    return path


def test_a_hibernation_file_shows_what_the_crash_dump_of_the_same_memory_shows(hibernated: Path) -> None:
    """In views that read all kinds of memory."""
    ours, dump = open_path(hibernated), open_path(SAMPLE)
    assert ours.doubts == ()
    for view in ("processes", "peb", "vads", "handles"):
        assert rows_of(ours, view) == rows_of(dump, view)


def test_a_hibernation_file_of_windows_7_shows_its_processes_even_when_its_header_is_wiped(tmp_path: Path) -> None:
    """A 32-bit one, as the answer key has them."""
    image, path = lab("x86-7601-24000"), tmp_path / "hiberfil.sys"
    write_hibernation(image, path)
    wanted = {row["pid"] for row in image.truth["processes"] if row.get("in_active_list", True)}
    assert pids(path) >= wanted
    path.write_bytes(bytes(0x1000) + path.read_bytes()[0x1000:])
    kernel = open_path(path)
    assert {row.pid for row in processes(kernel).rows} >= wanted
    assert "its header is wiped" in kernel.doubts[0]


def test_a_cut_hibernation_file_shows_what_is_in_it_and_says_what_is_not(hibernated: Path, tmp_path: Path) -> None:
    """The processes that are left are those of the whole; cells that are gone have reasons."""
    content = hibernated.read_bytes().rstrip(b"\0")
    path = tmp_path / "cut.sys"
    path.write_bytes(content[: len(content) * 49 // 50])
    kernel = open_path(path)
    assert len(kernel.doubts) == 1
    assert "pages that the kernel restores" in kernel.doubts[0]
    assert pids(path) <= pids(hibernated)
    assert any("image does not hold" in (row["Problems"] or "") for row in rows_of(kernel, "vads"))


def test_a_damaged_block_is_the_reason_of_the_cells_that_need_it(hibernated: Path, tmp_path: Path) -> None:
    """Not only that the image lacks the page: here that of a PEB in a block without any of its page tables."""
    content = bytearray(hibernated.read_bytes())
    packed = read_hibernation(lambda at, size: bytes(content[at : at + size]), len(content)).packed
    memory, blocks = PackedMemory(packed), packed.blocks
    peb, dtb = next((row["PEB"], row["DTB"]) for row in rows_of(open_path(hibernated), "peb", pid=[3920]))
    page = translate_one(memory, peb, dtb)[0] // 0x1000
    block = next(block for _, _, block in packed.pieces(page, page + 1))
    start, size = int(blocks.offset[block]), int(blocks.size[block])
    content[start : start + size] = b"\xff" * size
    path = tmp_path / "damaged.sys"
    path.write_bytes(content)
    problems = rows_of(open_path(path), "peb", pid=[3920])[0]["Problems"]
    assert f"its block at {start:#x} of the file cannot be unpacked: its {size} bytes" in problems


def test_volatility_reads_a_hibernation_file_through_our_layer(hibernated: Path) -> None:
    """Its own interface: addresses, holes, padding, and scans."""
    context = contexts.Context()
    context.config["file.location"] = hibernated.as_uri()
    context.add_layer(FileLayer(context, "file", "file"))
    layer = on_top(context, "file", HibernationLayer)
    context.add_layer(layer)
    pages = forge(LAB).physical
    first, hole = min(pages), next(page for page in range(1, 1 << 20) if page not in pages and page - 1 in pages)
    edge = hole * 0x1000 - 4
    assert layer.minimum_address == first * 0x1000
    assert layer.read(edge, 4) == pages[hole - 1][-4:]
    assert layer.read(edge, 8, pad=True) == pages[hole - 1][-4:] + bytes(4)
    assert (layer.is_valid(edge, 4), layer.is_valid(edge, 5)) == (True, False)
    with pytest.raises(InvalidAddressException, match="the file does not hold the page"):
        layer.read(edge, 8)
    with pytest.raises(InvalidAddressException):
        list(layer.mapping(edge, 8))
    mapped = list(layer.mapping(0, layer.maximum_address + 1, ignore_errors=True))
    assert sum(length for _, length, *_ in mapped) == len(pages) * 0x1000
    found = set(layer.scan(context, BytesScanner(b"MZ\x90\0")))
    assert found == {
        page * 0x1000 + at
        for page, content in pages.items()
        for at in range(4093)
        if content[at : at + 4] == b"MZ\x90\0"
    }
    context.layers["file"].destroy()


def test_a_compressed_crash_dump_shows_what_the_crash_dump_shows(tmp_path: Path) -> None:
    """One with a bitmap of pages, half of its blocks stored; where it is cut, it says what is gone."""
    content, size = SAMPLE.read_bytes(), 0x4000
    head = struct.pack("<4sIQIHH", b"ZDMP", 0x100, len(content), size, 1, 2).ljust(0x1000, b"\0")
    blocks = [content[at : at + size].ljust(size, b"\0") for at in range(0, len(content), size)]
    blocks = [lznt1(block) if number % 4 == 0 else block for number, block in enumerate(blocks)]
    path = tmp_path / "dumpit.zdmp"
    path.write_bytes(head + b"".join(struct.pack("<4sII", b"ZBLK", len(b), zlib.crc32(b)) + b for b in blocks))
    ours, dump = open_path(path), open_path(SAMPLE)
    assert ours.doubts == ()
    for view in ("processes", "peb", "handles"):
        assert rows_of(ours, view) == rows_of(dump, view)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(NotWindows, match=r"bytes of the crash dump \(it ends within the block at"):
        open_path(path)
