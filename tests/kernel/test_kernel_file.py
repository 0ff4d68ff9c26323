"""The kernel's file: named by the marks of its header or by its PDB, and the layout that follows."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.selfproof import Verdict
from process_anatomy.volatility import open_path
from process_anatomy.walk.across.selfcheck import trust
from process_anatomy.walk.processes.listed import processes
from structs import kernel_files
from tests.walk.damaged import Editor, kernel_of, listed_truth


@pytest.fixture(scope="module")
def image() -> Image:
    """A forged machine, whose kernel names a published PDB."""
    return forge(LAB, 23)


def marked(image: Image, edit: Editor, timestamp: int, size: int) -> None:
    """Write time stamp and size into the header of the kernel's image."""
    base = kernel_of(image).base
    header = int.from_bytes(edit.space.read(base + 0x3C, 4) or b"", "little")
    edit.write(base + header + 8, struct.pack("<I", timestamp))
    edit.write(base + header + 24 + 56, struct.pack("<I", size))


def without_pdb(image: Image, edit: Editor) -> None:
    """Spoil the kernel's debug record."""
    kernel = kernel_of(image)
    rva, _ = kernel.image.directory("IMAGE_DIRECTORY_ENTRY_DEBUG")
    edit.write(kernel.base + rva, bytes(28))


def file_of(image: Image) -> kernel_files.KernelFile:
    """The file that the forged kernel's PDB is of."""
    kernel = kernel_of(image)
    assert kernel.pdb is not None
    found = kernel_files.by_pdb(kernel.pdb.guid, kernel.pdb.age)
    assert found is not None
    return found


def test_a_kernel_is_named_by_its_pdb_where_its_header_names_no_file(image: Image) -> None:
    """Exact version in the evidence, in the layout of every process, and in the verdict."""
    kernel, expected = kernel_of(image), file_of(image)
    assert kernel.file == expected
    assert kernel.layout == f"exact, {expected}"
    assert f"kernel file {expected} by its PDB" in kernel.evidence


def test_a_header_names_the_file_and_so_the_layout_where_the_debug_record_is_lost(image: Image) -> None:
    """The same layout as by the PDB, not an estimated one."""
    edit, expected = Editor(image), file_of(image)
    marked(image, edit, expected.timestamp, expected.size)
    without_pdb(image, edit)
    kernel = kernel_of(image, edit.frames)
    assert kernel.pdb is None
    assert (kernel.build.name, kernel.build.estimated) == (kernel_of(image).build.name, False)
    assert f"kernel file {expected} by its time stamp and size" in kernel.evidence
    assert "which the file's time stamp and size name" in kernel.build.origin
    rows = processes(kernel).rows
    assert [row.address for row in rows] == [process["eprocess"] for process in listed_truth(image.truth)]


def test_without_debug_record_and_with_a_wiped_stamp_no_file_is_named(image: Image) -> None:
    """A stamp of zero says nothing."""
    edit = Editor(image)
    marked(image, edit, 0, file_of(image).size)
    without_pdb(image, edit)
    kernel = kernel_of(image, edit.frames)
    assert kernel.file is None
    assert not any("kernel file" in line for line in kernel.evidence)
    assert kernel.layout in ("exact", "estimated")


def test_a_header_of_one_file_with_the_pdb_of_another_is_told(image: Image) -> None:
    """The PDB chooses the layout, for it is made of types; that the two differ is said."""
    edit = Editor(image)
    other = kernel_files.by_stamp(0xE412BBA2, 0x1459000)
    assert other is not None
    marked(image, edit, other.timestamp, other.size)
    kernel = kernel_of(image, edit.frames)
    assert kernel.build.name == kernel_of(image).build.name
    assert f"kernel file {other} by its time stamp and size; its PDB is of another file, {file_of(image)}" in (
        kernel.evidence
    )


def test_a_windows_that_an_enablement_package_numbers_is_no_contradiction(image: Image) -> None:
    """23H2 says 22631 and runs kernel files of 22621: the layout is exact, and nothing speaks against it."""
    edit = Editor(image)
    kernel = kernel_of(image)
    number = kernel.image.export("NtBuildNumber")
    assert number is not None
    edit.write(number, struct.pack("<I", 0xF0000000 | 22631))
    edit.write(0xFFFFF78000000260, struct.pack("<I", 22631))
    later = kernel_of(image, edit.frames)
    assert (later.number, later.file, later.layout) == (22631, file_of(image), f"exact, {file_of(image)}")
    assert trust(later).verdict is Verdict.EXACT


@pytest.mark.parametrize(
    ("name", "version", "layout"),
    [
        ("triage-x64-17763-011620-8250-proxyrule.dmp", "17763.973", "x64-17763-379"),
        ("triage-x64-19041-022121-rizin.dmp", "19041.804", "x64-19041-685"),
        ("triage-x64-19041-102622-12000-daimuvg.dmp", "19041.2193", "x64-19041-2130"),
        ("triage-x64-26100-7a-trimmed.dmp", "26100.2314", "x64-26100-1742"),
    ],
)
def test_the_list_of_drivers_of_a_real_small_dump_names_the_kernels_file(
    name: str, version: str, layout: str, shared: Path
) -> None:
    """And the file's revision the layout, which the dump's own debugger block bears out."""
    kernel = open_path(shared / "real" / name)
    assert str(kernel.file) == f"ntoskrnl {version}"
    assert kernel.build.name == layout
    assert not kernel.build.estimated
    assert f"kernel file ntoskrnl {version} by its time stamp and size in the list of drivers" in kernel.evidence
