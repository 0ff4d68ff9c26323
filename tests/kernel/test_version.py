"""Servicing levels: what version resource, NtBuildLab and CmNtCSDVersion say, and which layout follows."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.kernel.choice import Servicing
from process_anatomy.kernel.debugger_block import DebuggerBlock
from process_anatomy.kernel.image import KernelImage
from process_anatomy.kernel.version import FLAVOURS, flavour, version
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.volatility import open_path
from tests.kernel.test_image import BASE, SIZE, code_view, kernel
from tests.memory.patchwork import Patchwork

RESOURCES, LAB, CSD = 0x6000, 0x7000, 0x7100


def resource(numbers: tuple[int, int, int, int], name: str = "ntkrnlmp.exe") -> bytes:
    """A resource section at RESOURCES that holds nothing but a version."""

    def folder(key: int, place: int) -> bytes:
        return struct.pack("<IIHHHHII", 0, 0, 0, 0, 0, 1, key, place)

    major, minor, build, revision = numbers
    fixed = struct.pack("<IIIIII", 0xFEEF04BD, 0x10000, major << 16 | minor, build << 16 | revision, 0, 0)
    data = "VS_VERSION_INFO".encode("utf-16-le") + b"\0\0" + fixed + name.encode("utf-16-le")
    place = struct.pack("<IIII", RESOURCES + 0x100, len(data), 0, 0)
    whole = folder(16, 0x80000020) + b"\0" * 8 + folder(1, 0x80000040) + b"\0" * 8 + folder(0x409, 0x60) + b"\0" * 8
    return (whole + place).ljust(0x100, b"\0") + data


def made(numbers: tuple[int, int, int, int] | None, lab: str = "", csd: int = 0) -> tuple[Patchwork, KernelImage]:
    """A kernel's image that says so much of its version."""
    whole = kernel({"NtBuildLab": LAB} if lab else {"Other": 0x5000})
    if numbers is not None:
        data = resource(numbers)
        whole[RESOURCES : RESOURCES + len(data)] = data
        struct.pack_into("<II", whole, 0x80 + 24 + 112 + 16, RESOURCES, len(data))
    whole[LAB : LAB + len(lab) + 1] = lab.encode() + b"\0"
    struct.pack_into("<I", whole, CSD, csd)
    space = Patchwork({BASE: bytes(whole)})
    return space, KernelImage(space, BASE)


BLOCK = DebuggerBlock(BASE + 0x5000, BASE, False, {"CmNtCSDVersion": BASE + CSD})


@pytest.mark.parametrize(
    ("numbers", "lab", "csd", "number", "expected"),
    [
        ((10, 0, 19041, 3324), "19041.1.amd64fre.vb_release.191206-1406", 0, 19041, (3324, None, False)),
        ((10, 0, 19041, 3324), "", 0, 22621, (None, None, False)),  # of another build: not believed
        ((10, 0, 19041, 1), "19041.1.amd64fre.vb_release.191206-1406", 0, 19041, (None, None, False)),
        ((6, 1, 7601, 24540), "7601.24540.amd64fre.win7sp1_ldr.191230-1700", 0, 7601, (24540, 1, False)),
        (None, "7601.17514.x86fre.win7sp1_rtm.101119-1850", 0, 7601, (17514, 1, False)),
        ((5, 1, 2600, 5512), "2600.xpsp.080413-2111", 0x300, 2600, (5512, 3, False)),
        ((5, 1, 2600, 3093), "2600.xpsp_sp2_qfe.070227-2300", 0x200, 2600, (3093, 2, False)),
        (None, "2600.xpsp_sp2_rtm.040803-2158", 0, 2600, (2180, 2, True)),
        (None, "", 0x300, 2600, (5512, 3, True)),
        ((5, 2, 3790, 1830), "3790.srv03_sp2_rtm.070216-1710", 0, 3790, (3959, 2, True)),  # they disagree
        (None, "", 0xFFFF_FFFF, 2600, (None, None, False)),
        (None, "", 0x900, 2600, (None, None, False)),
        (None, "", 0, 7601, (None, None, False)),
    ],
)
def test_the_revision_is_that_of_the_resource_else_of_the_lab_else_of_the_service_pack(
    numbers: tuple[int, int, int, int] | None,
    lab: str,
    csd: int,
    number: int,
    expected: tuple[int | None, int | None, bool],
) -> None:
    """Each witness is believed only as far as it bears out the others."""
    space, image = made(numbers, lab, csd)
    found = version(space, image, BLOCK, number)
    assert (found.revision, found.service_pack, bool(found.doubt)) == expected


@pytest.mark.parametrize("name", FLAVOURS)
def test_the_file_that_a_kernel_was_linked_as_tells_what_it_was_made_for(name: str) -> None:
    """By the PDB's name, else by that in the version resource."""
    by_pdb = KernelImage(Patchwork({BASE: bytes(kernel(debug=code_view(name=f"{name}.pdb".encode())))}), BASE)
    assert flavour(by_pdb) == f"{name}, {FLAVOURS[name]}"
    whole = kernel(debug=b"")
    data = resource((5, 1, 2600, 5512), f"{name.upper()}.exe")
    whole[RESOURCES : RESOURCES + len(data)] = data
    struct.pack_into("<II", whole, 0x80 + 24 + 112 + 16, RESOURCES, len(data))
    assert flavour(KernelImage(Patchwork({BASE: bytes(whole)}), BASE)) == f"{name}, {FLAVOURS[name]}"


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.integers(RESOURCES, RESOURCES + 0x180), st.integers(0, 255), max_size=16))
def test_damaged_resources_are_answered(damage: dict[int, int]) -> None:
    """Whatever the directory says, little is read and nothing raises."""
    whole = kernel()
    data = resource((10, 0, 19041, 3324))
    whole[RESOURCES : RESOURCES + len(data)] = data
    struct.pack_into("<II", whole, 0x80 + 24 + 112 + 16, RESOURCES, len(data))
    for at, byte in damage.items():
        whole[at] = byte
    space = Patchwork({BASE: bytes(whole[:SIZE])})
    found = version(space, KernelImage(space, BASE), None, 19041)
    assert found.revision is None or 0 < found.revision < 1 << 16
    assert space.reads < 400


@pytest.mark.parametrize(
    ("name", "layout", "estimated", "told"),
    [
        ("winxp-2600-pae", "x86-2600-5512", False, "version resource"),
        ("win7-7601-x86-pae", "x86-7601-17514", True, "NtBuildLab"),
        ("srv2016-14393", "x64-14393-4583", True, "kernel file 5921"),
    ],
)
def test_the_layout_follows_from_what_a_foreign_kernel_says_of_itself(
    name: str, layout: str, estimated: bool, told: str, foreign: Callable[[str], Path]
) -> None:
    """Of 7, facts of its PDB differ from every layout; of 2016, its PDB is of another update than its resource says."""
    found = open_path(foreign(f"{name}.raw"))
    assert isinstance(found.space, AddressSpace)
    image = KernelImage(found.space, found.base)
    build = Servicing(found.space, image, found.number, image.pdb).by_revision
    assert build is not None
    assert (build.name, build.estimated) == (layout, estimated)
    assert told in build.origin
