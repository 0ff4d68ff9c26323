"""Kernels whose public PDB has no types: no tool that needs symbols opens them, and they are read all the same."""

from __future__ import annotations

import struct

import pytest

from process_anatomy.forge import LAB, forge
from process_anatomy.kernel.selfproof import Verdict
from process_anatomy.views.image import Image
from process_anatomy.walk.across.selfcheck import trust
from process_anatomy.walk.processes.listed import processes
from structs import builds, kernel_files
from tests.walk.damaged import Editor, kernel_of, listed_truth

WITHOUT_TYPES = {
    "17763.2867": ("3A74F2993FDF5A662E3E7EA0F939C34A", "x64-17763-2686"),
    "19041.4957": ("14CA315BC79E493D38EECB55A315C515", "x64-19041-3324"),
    "26100.1455": ("66C32BB7CE0E69E3A8E2D728DF7EB8EF", "x64-26100-1742"),
    "26100.3476": ("88925BEDEE5240F76187626B3408A992", "x64-26100-1742"),
}
"""Version of each to the GUID of its PDB, and the layout whose build and revision it has; from the kernel files."""


@pytest.mark.parametrize("version", WITHOUT_TYPES)
def test_each_is_known_by_its_pdb_and_by_its_stamp(version: str) -> None:
    guid, layout = WITHOUT_TYPES[version]
    file = kernel_files.by_pdb(guid, 1)
    assert file is not None
    assert str(file) == f"ntoskrnl {version}"
    same = kernel_files.by_stamp(file.timestamp, file.size)
    assert same is not None
    assert same.same_as(file)
    assert builds.by_pdb(guid, 1) is None
    build = builds.by_number("x64", file.build, file.revision)
    assert build is not None
    assert build.name == layout


@pytest.mark.proves("forged", "x64-19041", "x64-26100")
@pytest.mark.parametrize("version", ["19041.4957", "26100.3476"])
def test_an_image_of_one_is_read_by_build_and_revision_of_its_file(version: str) -> None:
    """With its PDB, its stamp and no symbols: named, and every process of the list as the truth has it."""
    guid, layout = WITHOUT_TYPES[version]
    image = forge(LAB, 13, layout)
    file = kernel_files.by_pdb(guid, 1)
    assert file is not None
    edit, kernel = Editor(image), kernel_of(image)
    header = int.from_bytes(edit.space.read(kernel.base + 0x3C, 4) or b"", "little")
    edit.write(kernel.base + header + 8, struct.pack("<I", file.timestamp))
    edit.write(kernel.base + header + 24 + 56, struct.pack("<I", file.size))
    rva, _ = kernel.image.directory("IMAGE_DIRECTORY_ENTRY_DEBUG")
    record = int.from_bytes(edit.space.read(kernel.base + rva + 20, 4) or b"", "little")
    halves = bytes.fromhex(guid)
    edit.write(kernel.base + record + 4, halves[3::-1] + halves[5:3:-1] + halves[7:5:-1] + halves[8:])
    kernel = kernel_of(image, edit.frames)
    assert kernel.pdb is not None
    assert (kernel.pdb.guid, kernel.file) == (guid, kernel_files.by_stamp(file.timestamp, file.size))
    assert kernel.build.name == layout
    assert kernel.layout.endswith(f", {file}")
    assert trust(kernel).verdict in (Verdict.EXACT, Verdict.CONSISTENT)
    rows = processes(kernel).rows
    assert [(row.pid, row.address) for row in rows] == [(p["pid"], p["eprocess"]) for p in listed_truth(image.truth)]
    whole = Image(kernel)
    for view in ("processes", "tokens", "vads", "handles", "threads", "modules"):
        assert list(whole.view(view))
