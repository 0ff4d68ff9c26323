"""What is gained by memory that is not in RAM, and what it costs: the compression store and page files.

    python benchmarks/outside.py [BUILD] [PROCESSES]

Two forged laboratories: of the one 40 % of the private pages are compressed, of the other 40 % are in page files and
40 % of the rest compressed.  How many strings of PEBs and variables of environments are read with what, of those that
are read where everything is in memory; and how long it is until the kernel is known.  Then a crowd of so many
processes (200), 40 % of whose private pages are compressed: how long it takes to find and prove the store, and for
10,000 of its pages.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from process_anatomy import open_image
from process_anatomy.forge import LAB, Image, Scenario, crowd, forge, write_page_files, write_raw
from process_anatomy.kernel.compression import compression_store
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.compression import CompressionStore, Store
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.software_entries import Stores
from process_anatomy.memory.view import addresses_of
from process_anatomy.views.image import Image as Opened
from structs import builds
from structs.page_entry import MMPTE_SOFTWARE

SHARE, SEED, RUNS = 0.4, 7, 5
STRINGS = ("ImagePath", "CommandLine", "CurrentDirectory", "WindowTitle", "DesktopInfo", "ShellInfo")
PAGES = 10_000


def made(scenario: Scenario, build: str) -> Image:
    """The scenario, forged; a kernel that flips bits of entries that are not valid does so."""
    flips = build.startswith("x64") and "SwizzleBit" in builds.load(build)[MMPTE_SOFTWARE]
    return forge(replace(scenario, invalid_pte_mask=1 << 45 if flips else 0), SEED, build)


def without_store(image: Opened) -> Opened:
    """The same image as if there were no compression store."""
    space = image.kernel.space
    assert isinstance(space, AddressSpace)
    assert space.software is not None
    space.software.stores = Stores()
    if space.software._below is not None:
        space.software._below.stores = space.software.stores
    return image


def strings(image: Opened) -> tuple[int, int]:
    """How many strings of PEBs are read, and how many variables of environments."""
    cells = [row[name] for row in image.view("peb", explain="off") for name in STRINGS]
    values = [row["Value"] for row in image.view("envars", explain="off")]
    return sum(isinstance(cell, str) for cell in cells), sum(isinstance(value, str) for value in values)


def timed(path: Path, files: Path | None) -> tuple[Opened, float]:
    """An image, opened several times, and the median of the seconds."""
    times = []
    for _ in range(RUNS):
        start = perf_counter()
        opened = open_image(path, page_files=files)
        times.append(perf_counter() - start)
    return opened, sorted(times)[RUNS // 2]


def gained(build: str, folder: Path) -> None:
    """One line for each way to read the laboratories."""
    write_raw(made(LAB, build), folder / "whole.raw")
    whole, seconds = timed(folder / "whole.raw", None)
    most = strings(whole)
    print("| in memory | in page files | compressed | read with | strings of PEBs | variables | opened in (s) |")
    print(f"|---|---|---|---|---|---|---|\n| all | 0 | 0 | memory | {most[0]} | {most[1]} | {seconds:.2f} |")
    for paged in (0.0, SHARE):
        image = made(replace(LAB, compressed=SHARE, paged=paged), build)
        write_raw(image, folder / "image.raw")
        write_page_files(image, folder / "page files")
        counts = len(image.truth.get("in_page_files", ())), len(image.truth["compressed"])
        for name, files, store in (
            ("memory", False, False),
            ("the store", False, True),
            ("page files", True, False),
            ("both", True, True),
        ):
            if files and not paged:
                continue
            opened, seconds = timed(folder / "image.raw", folder / "page files" if files else None)
            read = strings(opened if store else without_store(opened))
            share = " | ".join(f"{one} ({100 * one / all_:.0f} %)" for one, all_ in zip(read, most, strict=True))
            print(f"| the rest | {counts[0]} pages | {counts[1]} pages | {name} | {share} | {seconds:.2f} |")


def cost(build: str, processes: int, folder: Path) -> None:
    """How long the store takes: to be found, for pages one by one and all at once, and for decompression alone."""
    image = made(replace(crowd(processes), compressed=SHARE), build)
    write_raw(image, folder / "crowd.raw")
    kernel = open_image(folder / "crowd.raw").kernel
    start = perf_counter()
    manager = compression_store(kernel)
    found = perf_counter() - start
    assert isinstance(manager, CompressionStore), manager
    roots = {process["pid"]: process["dtb"] for process in image.truth["processes"]}
    truth = [page for page in image.truth["compressed"] if page["crc32"] is not None]
    start = perf_counter()
    there = kernel.space.read_many(
        addresses_of([page["va"] for page in truth]), PAGE, addresses_of([roots[page["pid"]] for page in truth])
    )[1]
    read = perf_counter() - start
    assert there.all()
    packed = []
    for page in truth:
        own = manager.store(page["store"])
        assert isinstance(own, Store)
        place = own.place(page["key"])
        assert not isinstance(place, str)
        if place.size < PAGE:
            packed.append((own, own._process.read(place.address, place.size)))
    start = perf_counter()
    for own, data in packed:
        assert own._decompress is not None
        assert data is not None
        own._decompress(data)
    alone = perf_counter() - start
    print(f"\n{build}, {processes} processes, {len(truth)} pages in the store:")
    print(f"the store is found and proved in {found:.3f} s")
    each, packing = read / len(truth) * PAGES, alone / len(packed) * PAGES
    print(f"{PAGES:,} pages take {each:.2f} s, of which {packing:.2f} s are decompression")


def main(build: str = "x64-19041-3324", processes: str = "200") -> None:
    """Both tables."""
    with tempfile.TemporaryDirectory() as folder:
        gained(build, Path(folder))
        cost(build, int(processes), Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
