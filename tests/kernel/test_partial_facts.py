"""Images of kernels of which only some facts are published: read, labelled as what they are, field by field."""

from __future__ import annotations

import re
import struct
from dataclasses import replace

import pytest

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.selfproof import Verdict
from process_anatomy.views.image import Image as Whole
from process_anatomy.walk.across.selfcheck import trust
from process_anatomy.walk.processes.listed import processes
from structs import builds, kernel_files
from structs.mending import BETWEEN, CODE, NEIGHBOUR, PARTIAL
from structs.places import PROVED
from tests.walk.damaged import Editor, kernel_of, listed_truth


def marked(image: Image, file: kernel_files.KernelFile) -> Kernel:
    """The kernel of an image whose kernel's header has the marks of a file."""
    edit, base = Editor(image), kernel_of(image).base
    header = int.from_bytes(edit.space.read(base + 0x3C, 4) or b"", "little")
    edit.write(base + header + 8, struct.pack("<I", file.timestamp))
    edit.write(base + header + 24 + 56, struct.pack("<I", file.size))
    return kernel_of(image, edit.frames)


def read_as_the_truth_has_it(kernel: Kernel, image: Image) -> None:
    """Every process of the list, and a layout that its memory bears out."""
    rows = processes(kernel).rows
    assert [(row.pid, row.address) for row in rows] == [(p["pid"], p["eprocess"]) for p in listed_truth(image.truth)]
    assert trust(kernel).verdict is Verdict.CONSISTENT


@pytest.mark.proves("forged")
@pytest.mark.parametrize("name", ["x64-28000-p1", "x64-26100-p3"])
def test_a_kernel_whose_pdb_has_partial_facts_is_read_by_them(name: str) -> None:
    """26H1, and 24H2 of 2026: the label says what it is, and each field what its place rests on."""
    image = forge(LAB, 11, name)
    kernel = kernel_of(image)
    assert (kernel.build.name, kernel.number) == (name, builds.load(name).number)
    assert kernel.layout.startswith("partial facts")
    read_as_the_truth_has_it(kernel, image)
    source = kernel.build.source
    assert source("_EPROCESS", "UniqueProcessId") == CODE
    assert source("_EPROCESS", "VadRoot") == source("_EPROCESS", "ObjectTable") == PARTIAL
    assert source("_EPROCESS", "Session") in (BETWEEN, NEIGHBOUR)
    assert source("_MMVAD_SHORT", "StartingVpn") == NEIGHBOUR
    first, *checks = Whole(kernel).view("selfcheck")
    assert re.fullmatch(rf"({PROVED} \d+, )?{CODE} \d+, {PARTIAL} \d+, {BETWEEN} \d+, {NEIGHBOUR} \d+", first["Source"])
    told = {(row["Structure"], row["Field"]): row["Source"] for row in checks if row["Place"] is not None}
    assert told["_EPROCESS", "VadRoot"] == PARTIAL
    proved = Whole(kernel).tables().source
    assert told == {(structure, field): proved(structure, field) for structure, field in told}


@pytest.mark.proves("forged")
@pytest.mark.parametrize(("number", "of"), [(29602, "x64-29531-f28"), (25398, "x64-25398-f8")])
def test_a_kernel_of_which_its_file_alone_has_facts_is_read_by_these(number: int, of: str) -> None:
    """A preview after 26H1, and Server 23H2: named by time stamp and size."""
    file = next(
        file
        for revision in range(3000)
        if (file := kernel_files.by_version("ntoskrnl.exe", number, revision)) is not None
    )
    image = forge(LAB, 11, replace(builds.load(of), number=number, _bound={}))
    kernel = marked(image, file)
    assert (kernel.build.name, kernel.number) == (of, number)
    assert kernel.file is not None
    assert kernel.file.same_as(file)
    assert kernel.layout == f"partial facts, {file}"
    assert f"facts of {file} over it" in kernel.build.origin
    read_as_the_truth_has_it(kernel, image)
    assert kernel.build.source("_EPROCESS", "ObjectTable") == PARTIAL
    assert kernel.build.source("_MMVAD_SHORT", "StartingVpn") == NEIGHBOUR


@pytest.mark.proves("forged")
def test_a_kernel_of_26h1_that_no_fact_names_is_only_estimated() -> None:
    """Another PDB, no known file: the layouts of the build are a neighbour's, as far as its code does not say more."""
    image = forge(LAB, 11, replace(builds.load("x64-28000-p2"), name="x64-28000-other", _bound={}))
    kernel = kernel_of(image)
    assert kernel.number == 28000
    assert kernel.layout == "estimated"
    assert PARTIAL not in {source for told in kernel.build.sources.values() for source in told.values()}
    read_as_the_truth_has_it(kernel, image)
