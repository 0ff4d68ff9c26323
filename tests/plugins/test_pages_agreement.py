"""Page states and rights are those of the answer keys, of stock Volatility and of MemProcFS."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import PageState
from process_anatomy.memory.view import addresses_of
from process_anatomy.volatility import open_path
from process_anatomy.walk.address_space.page_entries import entries_of, prototype_addresses, prototypes, software_of
from process_anatomy.walk.address_space.sections import sections
from process_anatomy.walk.address_space.vads import vads
from process_anatomy.walk.processes.listed import processes
from tests.conftest import Vol
from tests.in_process import Rows, rows_of
from tests.stock_plugins import stock_rows

IMAGES = [
    "win10-19041.raw",
    "srv2019-17763.raw",
    "srv2016-14393.raw",
    "winxp-2600-pae.raw",
    "win7-7601-x86-pae.raw",
]
STATES = {
    "valid": "VALID", "large": "LARGE_2MB", "transition": "TRANSITION", "demand-zero": "DEMAND_ZERO",
    "guard-demand-zero": "DEMAND_ZERO", "pagefile": "PAGEFILE", "vad-demand-zero": "no entry",
    "prototype-valid": "PROTOTYPE", "prototype-vad-transition": "PROTOTYPE", "prototype-not-resident": "PROTOTYPE",
    "prototype-transition": "PROTOTYPE",
}  # fmt: skip
"""State in an answer key to the state that we give."""
WALKED = [name for name in IMAGES if name != "srv2016-14393.raw"]
"""Images that stock walks trees of: one of each form, and the newest."""
MALFIND = ["winxp-2600-pae.raw", "win10-19041.raw"]
"""Images that it runs on, of the oldest and the newest form of VADs: it reads every octet of every range."""
ZEROS = {"demand-zero"}
"""States for which an answer key gives the checksum of the zeros that the page will hold."""
LOW_48 = (1 << 48) - 1

Foreign = Callable[[str], Path]
Truth = Callable[[str], dict[str, Any]]
Ask = Callable[[str], Rows]


def user_top(image: str) -> int:
    """The lowest address that is no process's own."""
    return 1 << (31 if "xp" in image or "x86" in image else 47)


@pytest.fixture(scope="module")
def kernels(foreign: Foreign) -> Callable[[str], Kernel]:
    """Name of an image to its kernel, opened once."""
    return cache(lambda name: open_path(foreign(name)))


@pytest.fixture
def ask(image: str, kernels: Callable[[str], Kernel]) -> Ask:
    """Name of a plugin of ours to its rows over the image."""
    return lambda name: rows_of(kernels(image), name)


@pytest.fixture(scope="module")
def stock(foreign: Foreign, published_symbols: Foreign) -> Callable[[str], dict[str, Rows]]:
    """Name of an image to the rows of stock plugins, by the plugin's name, that run on it once."""

    def rows(name: str) -> dict[str, Rows]:
        plugins = ["windows.vadwalk", *(["windows.malware.malfind"] if name in MALFIND else [])]
        return stock_rows(foreign(name), published_symbols(name), plugins)

    return cache(rows)


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    """A foreign image's file name."""
    return str(request.param)


@pytest.mark.proves("foreign")
def test_every_listed_page_has_its_state_and_its_octets(
    image: str, kernels: Callable[[str], Kernel], truth: Truth
) -> None:
    """Each page of the answer key: its state, and the CRC-32 of its octets, through prototype entries as well."""
    kernel, whole = kernels(image), truth(image.split(".", maxsplit=1)[0])
    listed = processes(kernel).rows
    space = kernel.space
    assert isinstance(space, AddressSpace)
    software_of(space).learn(addresses_of([p.dtb for p in listed if isinstance(p.dtb, int)]))
    assert software_of(space).flips.mask == whole.get("invalid_pte_mask", 0)
    table = vads(kernel, listed).rows
    backing = sections(kernel, table)
    compared = 0
    for process in whole["processes"]:
        root = addresses_of([process["dtb"]])
        found = entries_of(space, root)
        first, start = np.zeros(len(found.place), dtype=np.uint64), np.zeros(len(found.place), dtype=np.uint64)
        for vad, section in zip(table, backing, strict=True):
            if vad.process.pid == process["pid"] and isinstance(section.first_prototype, int):
                inside = (found.place >= _int(vad.start)) & (found.place <= _int(vad.end))
                first[inside], start[inside] = section.first_prototype, _int(vad.start)
        where = prototype_addresses(space, found, first, start)
        frame, there, _ = prototypes(space, where, np.repeat(root, len(where)))
        for page in process.get("pages", ()):
            number = int(np.searchsorted(found.place, np.uint64(page["va"]), "right")) - 1
            within = page["va"] - int(found.place[number])
            covered = within < int(found.pages[number]) << 12
            state = PageState(int(found.state[number])) if covered else None
            assert (state.name if state is not None else "no entry") == STATES[page["state"]]
            physical = int(found.physical[number]) + within if covered and found.readable[number] else None
            if state is PageState.PROTOTYPE:
                assert where[number] == page.get("prototype_pte", where[number])
                physical = int(frame[number]) if there[number] else None
            data = None if physical is None else space.memory.read(physical, 0x1000)
            expected = None if page["state"] in ZEROS else page["crc32"]
            assert (None if data is None else zlib.crc32(data)) == expected
            compared += 1
    assert compared > 300


def _int(value: Any) -> int:
    assert isinstance(value, int)
    return value


def test_undisturbed_images_show_nothing_odd(image: str, ask: Ask, truth: Truth) -> None:
    """No page has more rights than its VAD, none lacks a VAD, every page of every range is accounted for."""
    rows = ask("pages")
    whole = truth(image.split(".", maxsplit=1)[0])
    assert {row["Disagreement"] for row in rows} == {None}
    assert {row["Kind"] for row in rows} == {"vad"}
    assert sum(len(p.get("vads", ())) for p in whole["processes"]) == len(rows)
    for row in rows:
        states = ("Valid", "Large", "Transition", "Prototype", "Pagefile", "Compressed", "DemandZero", "Untouched")
        counts = [row[c] for c in states]
        assert row["Problems"] or sum(counts) == row["End"] + 1 - row["Start"] >> 12
    assert all(row["Region"] == "image" for row in rows if row["Private"])
    assert {row["Problems"] for row in rows} <= {None, "another range overlaps it; pages are counted once"}


def test_regions_are_those_of_the_answer_key(image: str, ask: Ask, truth: Truth) -> None:
    """PEBs, TEBs, heaps and images lie in ranges that are named so, and the generator's own notes agree."""
    rows = ask("vads")
    names = {(r["PID"], r["Start VPN"]): set(r["Region"].split(", ")) for r in rows if not r["Problems"]}
    listed = truth(image.split(".", maxsplit=1)[0])["processes"]
    notes = {vad.get("note") or "" for process in listed for vad in process.get("vads", ())}
    noted = any("stack" in note.lower() for note in notes)  # not every generator says which ranges are stacks
    for process in listed:
        for vad in process.get("vads", ()):
            name = names.get((process["pid"], vad["start"]))
            if name is None:
                continue  # one of a pair that overlaps: which of them an address belongs to cannot be said
            held = {
                "PEB": [process["peb"]],
                "heap": [process.get("heap") or 0],
                "TEB": [thread["teb"] for thread in process["threads"]],
            }
            for what, places in held.items():
                inside = any(vad["start"] <= place <= vad["end"] for place in places)
                assert (what in name) == (inside and not process["exited"]), (what, vad)
            assert ("image" in name) == (vad["type"] == "VadImageMap")
            if noted and not process["exited"]:
                assert ("stack" in name) == ("stack" in (vad.get("note") or "").lower()), vad


def by_range(rows: list[dict[str, Any]], pages: dict[int, int]) -> list[tuple[int, int]]:
    """For each row, its start and how many of the pages (address to weight) lie in it."""
    addresses = np.array(sorted(pages), dtype=np.uint64)
    weights = np.concatenate([[0], np.cumsum([pages[a] for a in addresses.tolist()])]) if pages else np.zeros(1)
    low = np.searchsorted(addresses, np.array([row["Start"] for row in rows], dtype=np.uint64), "left")
    high = np.searchsorted(addresses, np.array([row["End"] for row in rows], dtype=np.uint64), "right")
    return [(row["Start"], int(weights[b] - weights[a])) for row, a, b in zip(rows, low, high, strict=True)]


@pytest.mark.parametrize("name", ["notepad.exe", "oldapp.exe"])
def test_memmap_shows_the_same_pages(
    name: str, image: str, ask: Ask, vol: Vol, foreign: Foreign, published_symbols: Foreign
) -> None:
    """What stock Volatility finds mapped in each range is what we call valid, large or in transition."""
    path = foreign(image)
    rows = ask("pages")
    mine = [row for row in rows if row["Process"] == name]
    if user_top(image) == 1 << 31:
        pytest.skip("MemProcFS says it of 32-bit images; Volatility takes long to find their page tables")
    assert mine
    stock = vol(
        "-s", published_symbols(image), "-r", "json", "-f", path, "windows.memmap", "--pid", str(mine[0]["PID"])
    ).rows
    pages = {
        row["Virtual"] + 0x1000 * step: 1
        for row in stock
        if row["Virtual"] < user_top(image)
        for step in range(row["Size"] // 0x1000)
    }
    kept = [row for row in mine if not row["Problems"]]
    expected = [(row["Start"], row["Valid"] + row["Large"] + row["Transition"]) for row in kept]
    assert by_range(kept, pages) == expected
    assert sum(row["Valid"] + row["Large"] + row["Transition"] for row in mine) == len(pages)


ASK = """
import json, sys
import memprocfs
vmm = memprocfs.Vmm(["-device", sys.argv[1], "-disable-symbolserver", "-disable-symbols", "-waitinitialize"])
def ranges(process):
    try:
        return [[vad["start"], vad["end"]] for vad in process.maps.vad()]
    except RuntimeError:  # a process without a section view
        return None
print("ANSWER" + json.dumps({
    process.pid: [
        ranges(process), [[e["va"], e["pages"], e["pages-sw"], e["flags"]] for e in process.maps.pte()]
    ]
    for process in vmm.process_list()
}))
"""


@pytest.mark.proves("memprocfs")
def test_memprocfs_counts_the_same_entries(
    image: str, ask: Ask, foreign: Foreign, memprocfs: Callable[[str, Path], Any]
) -> None:
    """Ranges, entries of each range, and of each process the entries that are valid and their rights."""
    path = foreign(image)
    answer = memprocfs(ASK, path)
    rows = ask("pages")
    compared = 0
    for pid, (ranges, listed) in answer.items():
        entries = [entry for entry in listed if entry[0] < user_top(image)]
        mine = [row for row in rows if row["PID"] == int(pid) and not row["Problems"]]
        whole = [row for row in rows if row["PID"] == int(pid)]
        assert ranges is None or sorted(ranges) == sorted([row["Start"], row["End"]] for row in whole)
        pages = {va + 0x1000 * step: 1 for va, count, _, _ in entries for step in range(count)}
        columns = ("Valid", "Large", "Transition", "Prototype", "Pagefile", "DemandZero")
        assert by_range(mine, pages) == [(row["Start"], sum(row[c] for c in columns)) for row in mine]
        valid = sum(count - software for _, count, software, _ in entries)
        assert sum(row["Valid"] + row["Large"] for row in whole) == valid
        executable = sum(count for _, count, _, flags in entries if "x" in flags)
        assert sum(rights_of(row).get(right, 0) for row in whole for right in ("R-X", "RWX")) == executable
        compared += len(pages)
    assert compared > 2000


def rights_of(row: dict[str, Any]) -> dict[str, int]:
    """The Hardware column as numbers."""
    parts = [part.split() for part in (row["Hardware"] or "").split(", ") if part]
    return {name: int(number) for name, number in parts}


@pytest.mark.parametrize("image", MALFIND)
def test_malfind_reports_the_private_ranges_that_we_find(
    image: str, ask: Ask, stock: Callable[[str], dict[str, Rows]]
) -> None:
    """Stock malfind's rows are our private VADs that may be written and executed, with the rights to prove it."""
    theirs, rows = stock(image)["windows.malware.malfind"], ask("pages")
    mine = [row for row in rows if row["Protection"] == "PAGE_EXECUTE_READWRITE" and row["Valid"]]
    assert sorted((r["PID"], r["Start VPN"]) for r in theirs) == sorted((r["PID"], r["Start"]) for r in mine)
    assert theirs
    assert all("RWX" in row["Hardware"] for row in mine)


@pytest.mark.proves("stock")
@pytest.mark.parametrize("image", WALKED, indirect=True)
def test_vadwalk_shows_the_same_trees(image: str, ask: Ask, stock: Callable[[str], dict[str, Rows]]) -> None:
    """Parents, ranges and tags of all nodes; left and right children follow from parents and order."""
    theirs, rows = stock(image)["windows.vadwalk"], ask("vads")
    expected = [(r["PID"], r["Offset"], r["Parent"], r["Start"], r["End"], r["Tag"]) for r in theirs]
    actual = [
        (r["PID"], r["Offset"] & LOW_48, r["Parent"] & LOW_48, r["Start VPN"], r["End VPN"], r["Tag"]) for r in rows
    ]
    assert sorted(actual) == sorted(expected)
    assert len(actual) > 300
