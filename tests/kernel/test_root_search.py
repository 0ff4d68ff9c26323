"""The page tables of a kernel are found in memory alone, by each of the things that lead there."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.forge import LAB, forge
from process_anatomy.kernel import root_search
from process_anatomy.kernel.candidates import arm64_kernel
from process_anatomy.kernel.debugger_block import debugger_block
from process_anatomy.kernel.identify import identify
from process_anatomy.kernel.image import KernelImage
from process_anatomy.kernel.root_search import Root, find_kernel, kernel_at, roots, shows_windows
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.entry_format import PAGED_POOL
from process_anatomy.memory.paging import LA57, PAE, X64, X86, Mode
from process_anatomy.memory.physical import MappedMemory, Run
from process_anatomy.memory.space import Octets
from process_anatomy.walk.processes.listed import processes
from structs import builds
from structs.eprocess import EPROCESS
from tests.walk import damaged

PAGE = 0x1000
MODES = {
    "srv2016-14393": X64,
    "winxp-2600-pae": PAE,
    "win7-7601-x86-pae": PAE,
}
FRAME = 0x0000_FFFF_FFFF_F000

Truth = Callable[[str], dict[str, Any]]
Foreign = Callable[[str], Path]


def memory_of(octets: Octets) -> MappedMemory:
    return MappedMemory(octets, [Run(0, len(octets), 0)])


def copy_of(foreign: Foreign, name: str) -> Octets:
    """An image that a test may change."""
    return np.array(np.memmap(foreign(f"{name}.raw"), dtype=np.uint8, mode="r"))


def without_stub(octets: Octets) -> Octets:
    octets[: 1 << 20] = 0
    return octets


def without_self_maps(octets: Octets) -> Octets:
    """Every entry in which a page names itself is gone."""
    for width in (4, 8):
        entries = octets[: len(octets) // PAGE * PAGE].view(f"<u{width}").reshape(-1, PAGE // width)
        for page in range(0, len(entries), 1 << 11):
            part = entries[page : page + (1 << 11)]
            own = np.arange(page, page + len(part), dtype=np.uint64)[:, None] * np.uint64(PAGE)
            part[((part & np.uint64(FRAME)) == own) & (part & np.uint64(1) != 0)] = 0
    return octets


def without_system(octets: Octets, process: int) -> Octets:
    """The place of System's name is zero."""
    octets[process : process + 0x800] = 0
    return octets


@pytest.mark.parametrize("name", MODES)
def test_the_kernel_of_a_foreign_image_is_found_without_being_told_where(
    name: str, foreign: Foreign, truth: Truth
) -> None:
    answers = truth(name)
    kernel = find_kernel(memory_of(copy_of(foreign, name)))
    assert kernel is not None
    assert (kernel.space.root, kernel.space.mode) == (answers["dtb"], MODES[name])  # type: ignore[attr-defined]
    assert kernel.evidence[0].startswith(f"page tables at {answers['dtb']:#x} ({MODES[name].name}) by ")
    assert {row.pid for row in processes(kernel).rows} == {p["pid"] for p in answers["processes"]}


def test_each_thing_alone_leads_to_the_page_tables_of_an_x64_system(foreign: Foreign, truth: Truth) -> None:
    name = "srv2016-14393"
    answers = truth(name)
    system = next(process for process in answers["processes"] if process["pid"] == 4)
    root, whole = answers["dtb"], copy_of(foreign, name)

    def ways(octets: Octets) -> set[str]:
        return {one.found_by.split(" at ")[0] for one in roots(memory_of(octets)) if one[:2] == (root, X64)}

    stub, process, itself = "the start block of processors", "System's _EPROCESS", "a table that maps itself"
    assert ways(whole) == {stub}  # the first is enough
    no_stub = without_stub(whole.copy())
    assert ways(no_stub) == {process}
    assert ways(without_system(no_stub.copy(), system["eprocess_pa"])) == {itself}
    assert ways(without_self_maps(no_stub)) == {process}
    assert ways(without_self_maps(whole)) == {stub}


@pytest.mark.parametrize("name", ["winxp-2600-pae", "win7-7601-x86-pae"])
def test_each_thing_alone_leads_to_the_page_tables_of_a_system_with_pae(
    name: str, foreign: Foreign, truth: Truth
) -> None:
    answers = truth(name)
    system = next(process for process in answers["processes"] if process["pid"] == 4)
    octets = copy_of(foreign, name)
    found = [one for one in roots(memory_of(without_system(octets, system["eprocess_pa"]))) if one.mode is PAE]
    expected = {process["dtb"] for process in answers["processes"] if process["dtb"]}
    assert expected <= {one.address for one in found}, "every process's own, on page boundaries or not"
    assert {one.found_by for one in found} == {"page directories that map themselves"}


def test_what_is_said_is_taken_whatever_the_format_of_the_tables(foreign: Foreign, truth: Truth) -> None:
    for name, mode in MODES.items():
        memory, answers = memory_of(copy_of(foreign, name)), truth(name)
        kernel = kernel_at(memory, answers["dtb"])
        assert kernel is not None
        assert kernel.space.mode is mode  # type: ignore[attr-defined]
        assert kernel_at(memory, answers["dtb"] + PAGE) is None
        assert kernel_at(memory, memory.end) is None


def five_levels(octets: Octets, root: int, process: int) -> Octets:
    """The image with one more level of tables on top: System's root is a new page at its end."""
    grown = np.concatenate([octets, np.zeros(PAGE, dtype=np.uint8)])
    top, table = len(octets), grown[len(octets) :].view("<u8")
    table[[0, 511, 0x1ED]] = [root | 0x67, root | 0x63, top | 0x63]
    build = builds.load("x64-14393-5006")
    place = process + build[root_search.EPROCESS].offset("DirectoryTableBase")
    grown[place : place + 8] = np.frombuffer(struct.pack("<Q", top), dtype=np.uint8)
    return grown


def test_tables_of_five_levels_are_found_and_told_from_those_of_four(foreign: Foreign, truth: Truth) -> None:
    answers = truth("srv2016-14393")
    system = next(process for process in answers["processes"] if process["pid"] == 4)
    octets = five_levels(copy_of(foreign, "srv2016-14393"), answers["dtb"], system["eprocess_pa"])
    kernel = find_kernel(memory_of(octets))
    assert kernel is not None
    assert kernel.space.mode is LA57  # type: ignore[attr-defined]
    assert kernel.space.root == len(octets) - PAGE  # type: ignore[attr-defined]
    assert {row.pid for row in processes(kernel).rows} == {p["pid"] for p in answers["processes"]}
    said = kernel_at(memory_of(octets), len(octets) - PAGE)
    assert said is not None
    assert said.space.mode is LA57  # type: ignore[attr-defined]


def test_a_page_directory_without_pae_is_found_by_its_entry_for_itself() -> None:
    octets = np.zeros(64 * PAGE, dtype=np.uint8)
    directory, table, shared = 7, 9, 11
    octets[directory * PAGE : (directory + 1) * PAGE].view("<u4")[[0x300, 0x3FF]] = [
        directory * PAGE | 0x63,
        table * PAGE | 0x63,
    ]
    octets[table * PAGE : (table + 1) * PAGE].view("<u4")[0x1F0] = shared * PAGE | 0x63  # 0xFFDF0000
    octets[shared * PAGE :].view("<u4")[root_search.MAJOR_VERSION // 4] = 5
    found = list(roots(memory_of(octets)))
    assert found[0] == Root(directory * PAGE, X86, "a page directory that maps itself")
    assert shows_windows(memory_of(octets), found[0])
    assert not shows_windows(memory_of(octets), replace_mode(found[0], PAE))


def replace_mode(root: Root, mode: Mode) -> Root:
    return root._replace(mode=mode)


def test_page_directories_of_pae_may_lie_anywhere() -> None:
    """In no order, and with their four entries in the middle of a page."""
    octets, frames, place = np.zeros(64 * PAGE, dtype=np.uint8), (31, 12, 25, 4), 20 * PAGE + 5 * 32
    for number, frame in enumerate(frames):
        octets[frames[3] * PAGE :].view("<u8")[number] = frame * PAGE | 0x63
        octets[place:].view("<u8")[number] = frame * PAGE | 0x01
    assert [one for one in roots(memory_of(octets)) if one.mode is PAE] == [
        Root(place, PAE, "page directories that map themselves")
    ]


@settings(max_examples=30, deadline=None)
@given(
    st.binary(max_size=200), st.integers(0, 20 * PAGE), st.sampled_from([b"System\0" * 9, b"\xe9\x00\x06\0\1\0\0\0"])
)
def test_memory_that_is_full_of_bait_ends_and_gives_nothing(noise: bytes, at: int, bait: bytes) -> None:
    octets = np.zeros(24 * PAGE, dtype=np.uint8)
    for frame in range(1, 24):  # each maps itself wherever a table may
        octets[frame * PAGE : (frame + 1) * PAGE].view("<u8")[[0, 1, 2, 3, 0x1ED]] = frame * PAGE | 0x63
    octets[at : at + len(noise)] = np.frombuffer(noise, dtype=np.uint8)
    octets[PAGE : PAGE + len(bait)] = np.frombuffer(bait, dtype=np.uint8)
    assert find_kernel(memory_of(octets)) is None


def test_of_hostile_memory_only_so_many_candidates_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    octets = np.zeros(200 * PAGE, dtype=np.uint8)
    for frame in range(1, 200):
        octets[frame * PAGE : (frame + 1) * PAGE].view("<u8")[0x1ED] = frame * PAGE | 0x63
    tried: list[int] = []

    def nothing(memory: Any, root: int, *_: Any) -> None:
        tried.append(root)
        raise root_search.ImageError("nothing")

    monkeypatch.setattr(root_search, "identify", nothing)
    assert find_kernel(memory_of(octets)) is None
    assert len(tried) == root_search.TRIED


def test_no_memory_has_no_root() -> None:
    assert list(roots(memory_of(np.zeros(0, dtype=np.uint8)))) == []
    assert find_kernel(memory_of(np.zeros(PAGE + 7, dtype=np.uint8))) is None


@pytest.mark.parametrize(
    ("machine", "subsystem", "size", "is_kernel"),
    [
        (0xAA64, 1, 0x104_7000, True),
        (0x8664, 1, 0x104_7000, False),
        (0xAA64, 2, 0x104_7000, False),
        (0xAA64, 1, 0x2_0000, False),
        (0xAA64, 1, 0xFFFF_F000, False),
    ],
)
def test_a_kernel_for_arm64_is_told_by_its_header(machine: int, subsystem: int, size: int, is_kernel: bool) -> None:
    octets = np.zeros(9 * PAGE, dtype=np.uint8)
    head = bytearray(PAGE)
    head[:2], head[0x3C:0x40], head[0xF0:0xF4] = b"MZ", struct.pack("<I", 0xF0), b"PE\0\0"
    struct.pack_into("<H", head, 0xF4, machine)
    struct.pack_into("<I", head, 0xF0 + 0x50, size)
    struct.pack_into("<H", head, 0xF0 + 0x5C, subsystem)
    octets[5 * PAGE : 6 * PAGE] = np.frombuffer(bytes(head), dtype=np.uint8)
    octets[2 * PAGE : 2 * PAGE + 2] = np.frombuffer(b"MZ", dtype=np.uint8)  # a header that is cut off
    assert arm64_kernel(memory_of(octets)) == (5 * PAGE if is_kernel else None)


FORGED = [
    ("x86-2600-2180", False),
    ("x86-2600-5512", True),
    ("x86-7601-17514", False),
    ("x86-19041-0", True),
    ("x64-3790-1830", None),
    ("x64-26100-1742", None),
]
SMALL = replace(LAB, cast=tuple(actor for actor in LAB.cast if actor.pid in {4, 512, 5212}))
RESIDENT = {"valid", "large", "transition", "prototype-valid"}


@pytest.mark.parametrize(("build", "pae"), FORGED)
def test_every_generation_is_found_and_its_pages_are_read_in_every_state(build: str, pae: bool | None) -> None:
    image = forge(SMALL, 29, build, pae)
    kernel = find_kernel(damaged.memory_of(image.physical, image.memory_size))
    assert kernel is not None
    assert isinstance(kernel.space, AddressSpace)
    assert (kernel.space.root, kernel.space.mode) == (image.truth["dtb"], damaged.mode_of(image))
    assert kernel.build.number == builds.load(build).number
    seen: set[str] = set()
    for process in image.truth["processes"]:
        own = kernel.space.through(process["dtb"])
        for page in process.get("pages") or []:
            content = own.read(page["va"], PAGE)
            seen.add(page["state"])
            assert (content is not None) == (page["state"] in RESIDENT), page
            assert content is None or zlib.crc32(content) == page["crc32"], page
    assert seen >= RESIDENT - {"large"} | {
        "pagefile",
        "demand-zero",
        "prototype-not-resident",
        "prototype-vad-transition",
    }


def test_where_paged_pool_starts_is_what_the_kernel_says() -> None:
    """Without PAE, entries of XP and Server 2003 count from there."""
    image = forge(SMALL, 29, "x86-2600-2180", False)
    kernel = damaged.kernel_of(image)
    block = debugger_block(kernel.space, KernelImage(kernel.space, kernel.base))  # type: ignore[arg-type]
    assert block is not None
    variable = block.pointer("MmPagedPoolStart", kernel.space)
    assert kernel.view.pointer(variable) == PAGED_POOL
    edit = damaged.Editor(image)
    for start, believed in ((0xD100_0000, 0xD100_0000), (0x1000, PAGED_POOL), (0xE100_0004, PAGED_POOL)):
        edit.write(variable, start.to_bytes(4, "little"))
        found = damaged.kernel_of(image, edit.frames)
        assert found.space.software.format.base == believed  # type: ignore[attr-defined]


ABOVE_16_GB = 0x4_8765_4000
LOW_STUB = 0x13


def moved_root(five_levels: bool, lost: str) -> tuple[MappedMemory, dict[str, Any]]:
    """A machine whose root moved above 16 GB; a table that maps nothing but itself stands where it was.

    Args:
        five_levels: its page tables have five levels, else four.
        lost: what does not lead to the root: ``stub`` (the start block of processors names the old place), ``process``
            (System's name is spoiled, so that it is found by no search).
    """
    image = forge(SMALL, 29, "x64-26100-1742", five_levels=five_levels)
    old, own = image.truth["dtb"], image.truth["self_map_index"]
    edit = damaged.Editor(image)
    system = damaged.process_truth(image, "System")["eprocess"]
    edit.set(EPROCESS, system, "DirectoryTableBase", ABOVE_16_GB)
    if lost == "process":
        edit.write(system + edit.build[EPROCESS].offset("ImageFileName"), b"Sxstem")
    frames = {frame: bytearray(page) for frame, page in edit.frames.items()}
    root, decoy = frames[old // PAGE][:], bytearray(PAGE)
    for table, place in ((root, ABOVE_16_GB), (decoy, old)):
        struct.pack_into("<Q", table, 8 * own, place | 0x8000_0000_0000_0063)
    frames[old // PAGE] = decoy
    if lost != "stub":
        struct.pack_into("<Q", frames[LOW_STUB], root_search.STUB_ROOT, ABOVE_16_GB)
    octets = np.zeros(image.memory_size + PAGE, dtype=np.uint8)
    for frame, page in frames.items():
        octets[frame * PAGE : (frame + 1) * PAGE] = np.frombuffer(bytes(page), dtype=np.uint8)
    octets[image.memory_size :] = np.frombuffer(bytes(root), dtype=np.uint8)
    runs = [Run(0, image.memory_size, 0), Run(ABOVE_16_GB, PAGE, image.memory_size)]
    return MappedMemory(octets, runs), image.truth


@pytest.mark.parametrize("lost", ["nothing", "stub"])
@pytest.mark.parametrize("mode", [X64, LA57], ids=lambda mode: mode.name)
def test_a_table_that_maps_nothing_but_itself_does_not_stand_for_a_root_that_moved_above_16_gb(
    mode: Mode, lost: str
) -> None:
    """Where the root was, and where the start block may still say that it is: the true one is found by System."""
    memory, truth = moved_root(mode is LA57, lost)
    old = truth["dtb"]
    with pytest.raises(root_search.ImageError):
        identify(memory, old, mode=mode)
    for said in (None, old):  # as Volatility's search takes the decoy, which is the lowest
        kernel = find_kernel(memory, said=said)
        assert kernel is not None
        assert (kernel.space.root, kernel.space.mode) == (ABOVE_16_GB, mode)  # type: ignore[attr-defined]
        assert {row.pid for row in processes(kernel).rows} == {p["pid"] for p in truth["processes"]}


def test_of_such_tables_those_that_show_windows_come_first_whatever_leads_to_them() -> None:
    """System's name is spoiled and the start block names the decoy: what is left are tables that map themselves."""
    memory, truth = moved_root(False, "process")
    low = memory.octets()
    low[LOW_STUB * PAGE : (LOW_STUB + 1) * PAGE] = 0
    found = list(roots(memory))
    places = [(one.address, one.mode) for one in found]
    assert set(places) >= {(ABOVE_16_GB, X64), (truth["dtb"], X64)}
    assert places.index((ABOVE_16_GB, X64)) < places.index((truth["dtb"], X64))


def test_many_decoys_do_not_use_up_the_tries() -> None:
    """More tables that map nothing but themselves than are tried, all in front of the true root."""
    memory, truth = moved_root(False, "stub")
    own, free = truth["self_map_index"], 0
    low = memory.octets()[: truth["memory_size"]].reshape(-1, PAGE)
    for page in np.flatnonzero(~low.any(axis=1)).tolist()[1 : 2 * root_search.TRIED]:
        low[page].view("<u8")[own] = page * PAGE | 0x63
        free += 1
    assert free > root_search.TRIED
    kernel = find_kernel(memory)
    assert kernel is not None
    assert kernel.space.root == ABOVE_16_GB  # type: ignore[attr-defined]


def test_another_processs_tables_lead_to_those_that_system_says_are_its_own() -> None:
    """If these map System where it is; where what System says is false, it is not believed."""
    image = forge(SMALL, 29, "x64-26100-1742")
    memory, own = damaged.memory_of(image.physical, image.memory_size), image.truth["dtb"]
    other = next(p["dtb"] for p in image.truth["processes"] if p["pid"] == 5212)
    kernel = identify(memory, other)
    assert kernel.space.root == own  # type: ignore[attr-defined]
    assert kernel.evidence[0] == f"page tables at {own:#x}, which are System's, not at {other:#x}"
    edit = damaged.Editor(image)
    edit.set(EPROCESS, damaged.process_truth(image, "System")["eprocess"], "DirectoryTableBase", 0x1000)
    false = identify(damaged.memory_of(edit.frames, image.memory_size), other)
    assert false.space.root == other, "by the last process of the list"  # type: ignore[attr-defined]
