"""Our page tables lead where Volatility's own layer says, for every page of the processes of foreign images.

Volatility differs by design in two places, which these images do not have and docs/agreement.md lists: a table whose
512 entries are equal is treated as absent, and a transition entry of a directory may be taken for a large page.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from volatility3.framework import contexts
from volatility3.framework.layers import intel, physical

from process_anatomy.forge import forge
from process_anatomy.forge.__main__ import write_all
from process_anatomy.kernel.identify import identify
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import MappedMemory, Run

MODES = {
    "win10-19041": paging.X64,
    "srv2019-17763": paging.X64,
    "srv2016-14393": paging.X64,
    "winxp-2600-pae": paging.PAE,
    "win7-7601-x86-pae": paging.PAE,
}
"""Image to the format of its page tables."""
LAYERS = {
    paging.X86: intel.WindowsIntel,
    paging.PAE: intel.WindowsIntelPAE,
    paging.X64: intel.WindowsIntel32e,
}
FORGED = {"x86-2600-2180": paging.X86, "x86-7601-17514": paging.PAE, "x64-7601-24540": paging.X64}
"""Layout of a forged image to the format of its page tables."""
EVERY = {"win10-19041": 3, "srv2019-17763": 6, "srv2016-14393": 6, "winxp-2600-pae": 6, "win7-7601-x86-pae": 6}
"""Image to how many processes one is compared of; Volatility's side takes a second for each."""
SHOWN = {4, 512, 5212}
LOW_48 = (1 << 48) - 1


def pages_of_volatility(path: Path, root: int, mode: paging.Mode) -> dict[int, int]:
    """Virtual page to physical page, as Volatility's layer of the format maps the whole address space."""
    context = contexts.Context()
    context.config["file.location"] = path.as_uri()
    context.add_layer(physical.FileLayer(context, "file", "memory"))
    context.config["intel.memory_layer"] = "memory"
    context.config["intel.page_map_offset"] = root
    layer = LAYERS[mode](context, "intel", "primary")
    pages: dict[int, int] = {}
    for virtual, length, mapped, _, _ in layer.mapping(0, (1 << mode.bits) - 1, ignore_errors=True):
        pages.update((virtual + step, mapped + step) for step in range(0, length, 0x1000))
    context.layers["memory"].destroy()
    return pages


def our_pages(memory: MappedMemory, root: int, mode: paging.Mode) -> dict[int, int]:
    """The same through our enumeration of page tables, only pages that the image holds."""
    pages: dict[int, int] = {}
    sizes = {
        paging.PageState.LARGE_2MB: 1 << 21,
        paging.PageState.LARGE_4MB: 1 << 22,
        paging.PageState.LARGE_1GB: 1 << 30,
    }
    for found in paging.leaves(memory, root, mode=mode):
        rows = zip(found.virtual.tolist(), found.physical.tolist(), found.state.tolist(), strict=True)
        for virtual, mapped, state in rows:
            if state > paging.READABLE:
                continue
            for step in range(0, sizes.get(paging.PageState(state), 0x1000), 0x1000):
                if mapped + step < memory.end:
                    pages[(virtual & LOW_48) + step] = mapped + step
    return pages


@pytest.mark.parametrize("name", MODES)
def test_every_mapped_page_is_the_same(
    name: str, foreign: Callable[[str], Path], truth: Callable[[str], dict[str, Any]]
) -> None:
    """Enumerated page for page, and translated in one batch."""
    roots = [process["dtb"] for process in truth(name)["processes"][:: EVERY[name]] if process["dtb"]]
    assert compared(foreign(f"{name}.raw"), roots, MODES[name]) > 8_000


@pytest.mark.parametrize("build", FORGED)
def test_every_mapped_page_of_a_forged_image_is_the_same(build: str, tmp_path: Path) -> None:
    """Shuffled frames, large pages, pages on their way out and holes, in each format."""
    image = forge(build=build)
    path, *_ = write_all(image, tmp_path, "lab", "raw")
    shown = [process["dtb"] for process in image.truth["processes"] if process["pid"] in SHOWN]
    assert compared(path, shown, FORGED[build]) > 2_000


def compared(path: Path, roots: list[int], mode: paging.Mode) -> int:
    """How many pages under these roots were the same."""
    octets = np.memmap(path, dtype=np.uint8, mode="r")
    memory = MappedMemory(octets, [Run(0, len(octets), 0)])
    counted = 0
    for root in roots:
        expected = pages_of_volatility(path, root, mode)
        assert our_pages(memory, root, mode) == expected
        virtual = np.array(sorted(expected), dtype=np.uint64)
        high = virtual >> np.uint64(47) != 0
        virtual[high] |= ~np.uint64(LOW_48)
        translated = paging.translate(memory, virtual, root, mode)
        assert (translated.state <= paging.READABLE).all()
        assert translated.physical.tolist() == [expected[page] for page in sorted(expected)]
        counted += len(expected)
    return counted


@pytest.mark.parametrize("name", MODES)
def test_page_states_are_those_of_the_answer_key(
    name: str, foreign: Callable[[str], Path], truth: Callable[[str], dict[str, Any]]
) -> None:
    """Each listed page has its state, and the bytes with its checksum where it can be read."""
    octets = np.memmap(foreign(f"{name}.raw"), dtype=np.uint8, mode="r")
    memory = MappedMemory(octets, [Run(0, len(octets), 0)])
    states = {
        "valid": {"VALID"},
        "large": {"LARGE_2MB"},
        "transition": {"TRANSITION"},
        "demand-zero": {"DEMAND_ZERO"},
        "guard-demand-zero": {"DEMAND_ZERO"},
        "vad-demand-zero": {"INVALID"},
        "pagefile": {"PAGEFILE"},
        "prototype-valid": {"PROTOTYPE"},
        "prototype-vad-transition": {"PROTOTYPE"},
        "prototype-not-resident": {"PROTOTYPE"},
        "prototype-transition": {"PROTOTYPE"},
    }
    checked = 0
    for process in truth(name)["processes"]:
        pages = process.get("pages") or []
        virtual = np.array([page["va"] for page in pages], dtype=np.uint64)
        found = paging.translate(memory, virtual, process["dtb"], MODES[name])
        for page, physical_address, state in zip(pages, found.physical.tolist(), found.state.tolist(), strict=True):
            assert paging.PageState(state).name in states[page["state"]]
            if state <= paging.READABLE:
                data = memory.read(physical_address, 0x1000)
                assert data is not None
                assert zlib.crc32(data) == page["crc32"]
                checked += 1
    assert checked > 90


@pytest.mark.parametrize("name", MODES)
def test_every_page_that_the_answer_key_has_octets_of_is_read(
    name: str, foreign: Callable[[str], Path], truth: Callable[[str], dict[str, Any]]
) -> None:
    """Behind prototype entries as well; what cannot be read has a reason that fits the key's word for it.

    Pages that were never touched have a checksum in the key, of zeros: those are not octets of the image.
    """
    octets, answers = np.memmap(foreign(f"{name}.raw"), dtype=np.uint8, mode="r"), truth(name)
    memory = MappedMemory(octets, [Run(0, len(octets), 0)])
    kernel = identify(memory, answers["dtb"], mode=MODES[name])
    assert isinstance(kernel.space, AddressSpace)
    assert kernel.space.software is not None
    counted: Counter[str] = Counter()
    for process in answers["processes"]:
        pages = process.get("pages") or []
        where = np.array([page["va"] for page in pages], dtype=np.uint64)
        roots = np.full(len(where), process["dtb"], dtype=np.uint64)
        data, there = kernel.space.read_many(where, 0x1000, roots)
        told = kernel.space.software.pointers(kernel.space.translate(where, roots).entry).tolist()
        assert [p["prototype_pte"] for p in pages if "prototype_pte" in p] == [
            pointer for pointer, page in zip(told, pages, strict=True) if "prototype_pte" in page
        ]
        own = kernel.space.through(process["dtb"])
        for page, content, fine in zip(pages, data, there.tolist(), strict=True):
            kind = page["state"]
            assert fine == (kind in READ), (hex(page["va"]), kind)
            counted[kind] += 1
            if fine:
                assert zlib.crc32(content.tobytes()) == page["crc32"], (hex(page["va"]), kind)
                assert own.read(page["va"], 0x1000) == content.tobytes()
                assert own.why(page["va"], 0x1000) == ""
            elif counted[kind] < 20:
                assert REASONS[kind] in own.why(page["va"]), kind
    assert counted["prototype-valid"] >= 32


READ = {"valid", "large", "transition", "prototype-valid", "prototype-transition"}
REASONS = {
    "demand-zero": "never touched",
    "guard-demand-zero": "never touched",
    "vad-demand-zero": "no page is mapped",
    "pagefile": "in a page file: page 0x",
    "prototype-not-resident": "the page is in the file that is mapped",
    "prototype-vad-transition": "that only the VAD knows",
}
