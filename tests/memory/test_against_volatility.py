"""Our page tables lead where Volatility's own layer says, for every page of the processes of foreign images.

Volatility differs by design in two places, which these images do not have and docs/agreement.md lists: a table whose
512 entries are equal is treated as absent, and a transition entry of a directory may be taken for a large page.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from volatility3.framework import contexts
from volatility3.framework.layers import intel, physical

from process_anatomy.memory import paging
from process_anatomy.memory.physical import MappedMemory, Run

IMAGES = ["win10-19041", "srv2019-17763", "srv2016-14393"]
EVERY = {"win10-19041": 1, "srv2019-17763": 6, "srv2016-14393": 6}
"""Image to how many processes one is compared of; Volatility's side takes a second for each."""
LOW_48 = (1 << 48) - 1


def pages_of_volatility(path: Path, root: int) -> dict[int, int]:
    """Virtual page to physical page, as WindowsIntel32e maps the whole address space."""
    context = contexts.Context()
    context.config["file.location"] = path.as_uri()
    context.add_layer(physical.FileLayer(context, "file", "memory"))
    context.config["intel.memory_layer"] = "memory"
    context.config["intel.page_map_offset"] = root
    layer = intel.WindowsIntel32e(context, "intel", "primary")
    pages: dict[int, int] = {}
    for virtual, length, mapped, _, _ in layer.mapping(0, LOW_48, ignore_errors=True):
        pages.update((virtual + step, mapped + step) for step in range(0, length, 0x1000))
    context.layers["memory"].destroy()
    return pages


def our_pages(memory: MappedMemory, root: int) -> dict[int, int]:
    """The same through our enumeration of page tables, only pages that the image holds."""
    pages: dict[int, int] = {}
    sizes = {paging.PageState.LARGE_2MB: 1 << 21, paging.PageState.LARGE_1GB: 1 << 30}
    for found in paging.leaves(memory, root):
        rows = zip(found.virtual.tolist(), found.physical.tolist(), found.state.tolist(), strict=True)
        for virtual, mapped, state in rows:
            if state > paging.READABLE:
                continue
            for step in range(0, sizes.get(paging.PageState(state), 0x1000), 0x1000):
                if mapped + step < memory.end:
                    pages[(virtual & LOW_48) + step] = mapped + step
    return pages


@pytest.mark.parametrize("name", IMAGES)
def test_every_mapped_page_is_the_same(
    name: str, foreign: Callable[[str], Path], truth: Callable[[str], dict[str, Any]]
) -> None:
    """Enumerated page for page, and translated in one batch."""
    path = foreign(f"{name}.raw")
    octets = np.memmap(path, dtype=np.uint8, mode="r")
    memory = MappedMemory(octets, [Run(0, len(octets), 0)])
    counted = 0
    for process in truth(name)["processes"][:: EVERY[name]]:
        expected = pages_of_volatility(path, process["dtb"])
        assert our_pages(memory, process["dtb"]) == expected
        virtual = np.array(sorted(expected), dtype=np.uint64)
        high = virtual >> np.uint64(47) != 0
        virtual[high] |= ~np.uint64(LOW_48)
        translated = paging.translate(memory, virtual, process["dtb"])
        assert (translated.state <= paging.READABLE).all()
        assert translated.physical.tolist() == [expected[page] for page in sorted(expected)]
        counted += len(expected)
    assert counted > 8_000


@pytest.mark.parametrize("name", IMAGES)
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
    }
    checked = 0
    for process in truth(name)["processes"]:
        pages = process.get("pages") or []
        virtual = np.array([page["va"] for page in pages], dtype=np.uint64)
        found = paging.translate(memory, virtual, process["dtb"])
        for page, physical_address, state in zip(pages, found.physical.tolist(), found.state.tolist(), strict=True):
            assert paging.PageState(state).name in states[page["state"]]
            if state <= paging.READABLE:
                data = memory.read(physical_address, 0x1000)
                assert data is not None
                assert zlib.crc32(data) == page["crc32"]
                checked += 1
    assert checked > 90
