"""What must be true of a forged image before any tool looks at it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pefile
import pytest

from process_anatomy.forge import LAB, Image, Scenario, crowd, forge
from process_anatomy.forge.__main__ import write_all
from structs import builds
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.object import OBJECT_HEADER

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = "lab-win11-22621"
"""Name of the sample that ships, without an ending."""
PAGE = 0x1000
ADDRESS = 0x000FFFFFFFFFF000
BUILDS = [
    "x64-9600-16384", "x64-10240-16384", "x64-14393-0", "x64-17763-0", "x64-19041-0", "x64-20348-288", "x64-22000-1",
    "x64-22621-2428", "x64-26100-1742",
]  # fmt: skip


def mapped(image: Image, table: int, level: int = 4, base: int = 0) -> Iterator[tuple[int, int]]:
    """(Virtual page, frame) of every valid small page under a table, the self map left out."""
    entries = struct.unpack("<512Q", image.physical.get(table, bytes(PAGE)))
    for index, entry in enumerate(entries):
        frame = (entry & ADDRESS) // PAGE
        if not entry & 1 or (level == 4 and frame == table):
            continue
        page = base << 9 | index
        if level == 1:
            yield page, frame
        elif not entry & 0x80:
            yield from mapped(image, frame, level - 1, page)


def read(image: Image, dtb: int, address: int, size: int) -> bytes:
    """Bytes at a virtual address of small pages; what is not there reads as zeros."""
    pages = dict(mapped(image, dtb // PAGE))
    data = bytearray()
    while len(data) < size:
        page, skip = divmod((address & 0xFFFFFFFFFFFF) + len(data), PAGE)
        data += image.physical.get(pages.get(page, -1), bytes(PAGE))[skip:]
    return bytes(data[:size])


def processes(image: Image) -> dict[int, dict[str, Any]]:
    return {process["pid"]: process for process in image.truth["processes"]}


def test_the_shipped_sample_is_rebuilt_byte_for_byte(image: Image, tmp_path: Path) -> None:
    for path in write_all(image, tmp_path, SAMPLE):
        assert path.read_bytes() == (ROOT / "samples" / path.relative_to(tmp_path)).read_bytes()


def test_the_shipped_files_stay_small_in_git_and_on_disk(image: Image, tmp_path: Path) -> None:
    """Packed as git keeps them well below 3 MB, and below 4 MB as they lie there."""
    paths = write_all(image, tmp_path, SAMPLE)
    assert len(paths) == 3
    assert sum(len(zlib.compress(path.read_bytes())) for path in paths) < 1_000_000
    assert sum(path.stat().st_size for path in paths) < 4_000_000


def test_the_same_seed_gives_the_same_image_and_another_seed_another(image: Image) -> None:
    assert forge() == image
    other = forge(seed=1)
    assert other.physical != image.physical
    assert other.truth["kernel_base"] != image.truth["kernel_base"] or other.truth != image.truth
    assert [p["pid"] for p in other.truth["processes"]] == [p["pid"] for p in image.truth["processes"]]


def test_neighbouring_virtual_pages_are_seldom_neighbours_in_memory(image: Image) -> None:
    pages = dict(mapped(image, image.truth["dtb"] // PAGE))
    pairs = [(pages[page], pages[page + 1]) for page in pages if page + 1 in pages]
    assert len(pairs) > 50
    assert sum(second == first + 1 for first, second in pairs) < len(pairs) / 20


def test_memory_has_holes_and_no_frame_lies_in_one(image: Image) -> None:
    assert len(image.runs) == 3
    for (first, count), (following, _) in zip(image.runs, image.runs[1:], strict=False):
        assert first + count < following
    assert all(any(first <= frame < first + count for first, count in image.runs) for frame in image.physical)


def test_some_processes_and_threads_cross_a_page_boundary(image: Image) -> None:
    build = builds.load("x64-22621-382")
    size = build[EPROCESS].sizeof
    crossing = [p for p in image.truth["processes"] if p["eprocess"] % PAGE + size > PAGE]
    threads = [t for p in image.truth["processes"] for t in p["threads"]]
    assert crossing
    assert [t for t in threads if t["ethread"] % PAGE + build[ETHREAD].sizeof > PAGE]


def test_pefile_parses_the_kernel_and_finds_its_exports_and_pdb(image: Image) -> None:
    truth = image.truth
    whole = read(image, truth["dtb"], truth["kernel_base"], 0x1B0000)
    kernel = pefile.PE(data=whole.ljust(truth["kernel_size"], b"\0"), fast_load=True)
    for section in kernel.sections:  # from the file's order of bytes to memory's
        section.PointerToRawData, section.SizeOfRawData = section.VirtualAddress, section.Misc_VirtualSize
    kernel = pefile.PE(data=bytes(kernel.write()))
    names = [export.name.decode() for export in kernel.DIRECTORY_ENTRY_EXPORT.symbols]
    assert kernel.DIRECTORY_ENTRY_EXPORT.name == b"ntoskrnl.exe"
    assert names == sorted(names)
    assert {"PsInitialSystemProcess", "PsLoadedModuleList", "PsProcessType", "KeBugCheckEx"} <= set(names)
    assert not {"PsActiveProcessHead", "KdDebuggerDataBlock", "PspCidTable"} & set(names)
    assert len(names) > 40
    assert kernel.DIRECTORY_ENTRY_DEBUG[0].entry.Signature_String.upper() == truth["pdb_guid"] + "1"


def test_the_pdb_names_the_layout_that_was_forged(image: Image) -> None:
    known = builds.by_pdb(image.truth["pdb_guid"], image.truth["pdb_age"])
    assert known is not None
    assert (known.name, known.estimated) == ("x64-22621-382", False)


def test_vad_trees_are_balanced_and_their_nodes_know_their_parents(image: Image) -> None:
    for process in image.truth["processes"]:
        nodes = {vad["node"]: vad for vad in process["vads"]}
        assert all(vad["parent"] in nodes for vad in process["vads"] if vad["node"] != process["vad_root"])
        depths = []
        for vad in process["vads"]:
            depth, parent = 1, vad["parent"]
            while parent:
                depth, parent = depth + 1, nodes[parent]["parent"]
            depths.append(depth)
        assert max(depths, default=0) <= 2 * len(nodes).bit_length()


def test_the_cast_shows_what_a_student_should_find(image: Image) -> None:
    cast = processes(image)
    assert cast[5588]["exited"]
    assert cast[5588]["exit_time"] > cast[5588]["create_time"]
    assert cast[3920]["token"]["elevation_type"] == 3
    assert cast[5740]["token"]["elevation_type"] == 2
    assert cast[3920]["token"]["user"] == cast[5740]["token"]["user"]
    sessions = {session["luid"]: session["buddy_luid"] for session in image.truth["logon_sessions"]}
    limited, full = (cast[pid]["token"]["authentication_id"] for pid in (3920, 5740))
    assert (sessions[limited], sessions[full]) == (full, limited)
    assert cast[6044]["token"]["package"].startswith("S-1-15-2-")
    assert [vad["note"] for vad in cast[5212]["vads"] if vad["protection"] == "PAGE_EXECUTE_READWRITE"] == ["injected"]
    states = {page["state"] for process in cast.values() for page in process.get("pages", [])}
    assert states == {
        "valid", "transition", "demand-zero", "pagefile", "vad-demand-zero", "guard-demand-zero", "prototype-valid",
        "prototype-vad-transition", "prototype-not-resident", "large",
    }  # fmt: skip


def test_the_32_bit_process_has_the_headers_of_one(image: Image) -> None:
    """PE32 for all that its 32-bit loader lists, PE32+ for the 64-bit ntdll.dll beside it."""
    (process,) = (p for p in image.truth["processes"] if p["wow64"])
    assert (process["name"], process["peb32"]) == ("oldledger.exe", process["peb"] + PAGE)
    native = process["modules"][1]
    for module in [*process["modules32"], native]:
        header = pefile.PE(data=read(image, process["dtb"], module["base"], PAGE), fast_load=True)
        kind = (0x8664, 0x20B) if module is native else (0x14C, 0x10B)
        assert (header.FILE_HEADER.Machine, header.OPTIONAL_HEADER.Magic) == kind
        assert header.OPTIONAL_HEADER.ImageBase == module["base"]
        assert header.OPTIONAL_HEADER.SizeOfImage == module["size"]
        assert header.OPTIONAL_HEADER.CheckSum == module["checksum"]
        names = {section.Name.rstrip(b"\0") for section in header.sections}
        assert (b".pdata" in names) is (module is native)


@pytest.mark.parametrize("seed", [11, 22621, 22622])
def test_no_type_index_encodes_to_zero(seed: int) -> None:
    """Stock Volatility would take such an object's handles for free ones."""
    made = forge(seed=seed)
    truth = made.truth
    pages = dict(mapped(made, truth["dtb"] // PAGE))
    layout = builds.load("x64-22621-382")[OBJECT_HEADER]
    place = layout.offset("TypeIndex") - layout.offset("Body")
    for handle in (h for p in truth["processes"] for h in p["handles"]):
        page, skip = divmod((handle["object"] + place) & 0xFFFFFFFFFFFF, PAGE)
        if page in pages:  # the non-paged pool may lie in a large page
            assert made.physical[pages[page]][skip]


@pytest.mark.parametrize("scenario", [LAB, crowd(200)], ids=lambda scenario: scenario.name)
def test_no_handle_or_id_takes_the_first_entry_of_a_leaf(scenario: Scenario) -> None:
    truth = forge(scenario).truth
    handles = [handle["handle"] for process in truth["processes"] for handle in process["handles"]]
    assert max(handles) > 1024
    assert all(value % 1024 for value in [*handles, *map(int, truth["cid_table"])])


@pytest.mark.parametrize("build", BUILDS)
def test_every_build_forges_the_same_cast(build: str) -> None:
    truth = forge(build=build).truth
    assert [p["pid"] for p in truth["processes"]] == [actor.pid for actor in LAB.cast]
    assert all(p["vads"] for p in truth["processes"] if not p["exited"])


def test_a_crowd_fits_its_memory() -> None:
    image = forge(crowd(100, regions=20))
    assert len(image.truth["processes"]) == len(LAB.cast) + 100
    assert sum(len(p["vads"]) for p in image.truth["processes"]) > 3_500


@pytest.mark.parametrize("build", BUILDS)
def test_one_page_of_shared_data_is_in_every_process_whose_page_tables_are_there(build: str) -> None:
    """Whoever runs a program has it, trimmed or not, in one and the same frame, which the kernel has too."""
    image = forge(LAB, 11, build)
    having = [p for p in image.truth["processes"] if p.get("memory") in ("all", "trimmed")]
    frames = {dict(mapped(image, p["dtb"] // PAGE)).get(0x7FFE0000 // PAGE) for p in having}
    kernel = dict(mapped(image, image.truth["dtb"] // PAGE))[0xFFFFF780_00000000 % (1 << 48) // PAGE]
    assert frames == {kernel}
    assert {p["memory"] for p in having} == {"all", "trimmed"}
    for process in image.truth["processes"]:
        if process.get("memory") is None and process["pid"] != 4 and process["dtb"]:
            assert 0x7FFE0000 // PAGE not in dict(mapped(image, process["dtb"] // PAGE))
