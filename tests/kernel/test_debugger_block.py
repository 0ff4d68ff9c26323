"""The debugger block: in clear, encoded as Windows 8 and later keep it, and by itself where the header is gone."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.kernel.debugger_block import DebuggerBlock, _encoded, block_without_image, debugger_block, decoded
from process_anatomy.kernel.identify import Kernel, identify
from process_anatomy.kernel.image import KernelImage
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.page_files import PageFiles
from process_anatomy.memory.physical import MappedMemory
from process_anatomy.volatility import open_path
from structs.debugger import statements

FOREIGN = ["win10-19041", "srv2019-17763", "srv2016-14393", "winxp-2600-pae", "win7-7601-x86-pae"]
U64 = st.integers(0, (1 << 64) - 1)
MASK = (1 << 64) - 1


def opened(name: str, foreign: Callable[[str], Path]) -> tuple[Kernel, AddressSpace]:
    kernel = open_path(foreign(f"{name}.raw"))
    assert isinstance(kernel.space, AddressSpace)
    return kernel, kernel.space


def encode(data: bytes, never: int, always: int, address: int) -> bytes:
    """A block as Windows keeps it: the public formula, turned round number by number."""
    found = b""
    for (plain,) in struct.iter_unpack("<Q", data):
        mixed = int.from_bytes(((plain ^ always) & MASK).to_bytes(8, "little"), "big") ^ address
        turn = never & 63
        found += struct.pack("<Q", ((mixed >> turn | mixed << (64 - turn)) & MASK) ^ never)
    return found


@settings(max_examples=60, deadline=None)
@given(never=U64, always=U64, address=U64, words=st.lists(U64, min_size=4, max_size=40))
def test_an_encoded_block_is_decoded_from_its_rotation_and_the_kernels_base_alone(
    never: int, always: int, address: int, words: list[int]
) -> None:
    """Whatever the three variables are."""
    plain = struct.pack(f"<{len(words)}Q", *words)
    assert decoded(encode(plain, never, always, address), never & 63, words[3]) == plain


@pytest.mark.parametrize("name", FOREIGN)
def test_the_block_is_where_the_published_symbols_have_it(
    name: str, foreign: Callable[[str], Path], truth: Callable[[str], dict[str, Any]]
) -> None:
    """Found in what can be written of the image, and without the image; both say the same of the kernel."""
    kernel, space = opened(name, foreign)
    block = debugger_block(space, KernelImage(space, kernel.base))
    assert block is not None
    assert (block.base, block.encoded) == (kernel.base, False)
    assert block.address == truth(name)["symbols"]["KdDebuggerDataBlock"]
    assert block.pointer("PsActiveProcessHead", space) == truth(name)["symbols"]["PsActiveProcessHead"]
    assert block_without_image(space) == block
    assert [str(s) for s in statements(block.values, kernel.build) if not s.agrees] == []


def changed(kernel: Kernel, space: AddressSpace, places: dict[int, bytes]) -> MappedMemory:
    """The kernel's memory with other bytes at some virtual addresses."""
    memory = space.memory.memory if isinstance(space.memory, PageFiles) else space.memory
    assert isinstance(memory, MappedMemory)
    octets = memory.octets().copy()
    for address, data in places.items():
        for step in range(0, len(data), 8):
            where = space.translate(np.array([address + step], dtype=np.uint64)).physical
            at = int(memory.locate(where, 8)[0])
            octets[at : at + 8] = np.frombuffer(data[step : step + 8], dtype=np.uint8)
    return MappedMemory(octets, memory.runs)


def test_the_encoded_block_of_a_whole_kernel_is_found_and_says_the_same(foreign: Callable[[str], Path]) -> None:
    """The block of an image, encoded as Windows does it; nothing else of the image leads to it."""
    kernel, space = opened("srv2016-14393", foreign)
    image = KernelImage(space, kernel.base)
    clear = debugger_block(space, image)
    assert clear is not None
    data = space.read(clear.address, 0x360)
    assert data is not None
    secret = encode(data, 0x8D12_F00D_1234_5677, 0x0123_4567_89AB_CDEF, clear.address | 0xFFFF << 48)
    hidden = AddressSpace(changed(kernel, space, {clear.address: secret}), space.root, space.mode)
    found = debugger_block(hidden, KernelImage(hidden, kernel.base))
    assert found == DebuggerBlock(clear.address, clear.base, True, clear.values)
    page = np.array([clear.address & -0x1000], dtype=np.uint64)
    assert _encoded(hidden, page, kernel.base + 0x1000) is None  # it is of this kernel, of no other


@pytest.mark.parametrize("name", FOREIGN)
def test_a_kernel_without_its_first_page_is_found_by_its_block(name: str, foreign: Callable[[str], Path]) -> None:
    """The header is zeros; System, size and a layout of its build are found all the same."""
    kernel, space = opened(name, foreign)
    found = identify(changed(kernel, space, {kernel.base: bytes(0x1000)}), space.root, None, space.mode)
    assert (found.base, found.size, found.system) == (kernel.base, kernel.size, kernel.system)
    assert found.build.number == kernel.build.number
    assert "whose first page is not there" in found.evidence[0]
