"""Which rows of an estimated layout say so: those that show a field that only a neighbour's layout places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from process_anatomy.absent import Absent
from process_anatomy.kernel.kernel import Kernel
from process_anatomy.memory.view import View as MemoryView
from process_anatomy.views import NAMES, view
from process_anatomy.views.declaration import Row
from process_anatomy.views.estimates import NAMED, named_fields
from process_anatomy.views.image import Image
from process_anatomy.walk.across.selfcheck import trust
from structs.families import LAYOUTS, PART_OF
from structs.layout import Build, Place
from structs.places import FACTS, NEIGHBOUR, PROVED
from tests.generations import lab
from tests.walk.damaged import kernel_of

MARK = "Layout estimated: "
PIDS = [512, 5212, 4476]
WALKED = ("processes", "vads", "pages", "tokens", "groups", "modules", "peb", "tebs", "handles", "threads")
SILENT = {"Problems", "Explanation", "Layout"}
"""Columns that tell of the reading itself."""


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    """A machine read with its own layout."""
    return kernel_of(lab("x64-22621-382"))


def guessing(build: Build, *fields: str, by: int = 0) -> Build:
    """A layout of which only some fields are a neighbour's, each so many bytes beside its place."""
    places = {name: dict(fields) for name, fields in build.places.items()}
    sources = {name: dict.fromkeys(fields, FACTS) for name, fields in build.places.items()}
    for each in fields:
        name, _, field = each.partition(".")
        place = places[name][field]
        places[name][field] = Place(place.offset + by, place.size, place.bit, place.bits)
        sources[name][field] = NEIGHBOUR
    return replace(build, places=places, sources=sources, estimated=True, _bound={})


def behind(build: Build, each: str) -> Build:
    """A layout in which one field is taken to lie behind its structure, as no other field does, and is a guess."""
    name, _, field = each.partition(".")
    place, end = build.places[name][field], build.sizes[name]
    wider = replace(build, sizes={**build.sizes, name: end + 0x40})
    return guessing(wider, each, by=end - place.offset)


def image_of(kernel: Kernel, build: Build) -> Image:
    """The same machine read with another layout."""
    return Image(
        Kernel(MemoryView(kernel.space, build), kernel.number, kernel.base, kernel.size, kernel.pdb, kernel.system)
    )


def rows(image: Image, name: str) -> list[Row]:
    """What a view says of three processes."""
    return list(image.view(name, pid=PIDS if view(name).by_process else ()).rows())


def shown(row: Row) -> dict[str, str]:
    """The facts that a row shows."""
    cells = row[1].items()
    return {name: str(fact) for name, fact in cells if name not in SILENT and not isinstance(fact, Absent | None)}


def test_a_source_names_fields_of_a_structure_and_of_its_parts() -> None:
    """One after the other, dotted, in words, and those of what the structure begins with."""
    assert named_fields("_EPROCESS.Token, VadCount") == {("_EPROCESS", "Token"), ("_EPROCESS", "VadCount")}
    assert named_fields("_KPROCESS.DirectoryTableBase of csrss.exe") == {("_EPROCESS", "DirectoryTableBase")}
    assert ("_ETHREAD", "UniqueThread") in named_fields("_ETHREAD.Cid")
    assert named_fields("notes, vad-row; _EPROCESS; IMAGE_FILE_HEADER.Machine") == frozenset()


def test_every_field_that_a_view_names_is_declared() -> None:
    """A name that means nothing would leave rows without their mark."""
    for name in NAMES:
        declared = view(name)
        for source in (*(column.source for column in declared.columns), declared.through or ""):
            for structure, names in NAMED.findall(source):
                for path in names.split(", ") if structure in LAYOUTS or structure in PART_OF else ():
                    if path not in ("CrossThreadFlags", "BitField", "CrossProcessFlags"):  # units whose bits are named
                        assert named_fields(f"{structure}.{path}"), f"{name}: {structure}.{path}"


@pytest.mark.parametrize(
    "field",
    [
        "_EPROCESS.ImageFileName",
        "_EPROCESS.Token",
        "_EPROCESS.Peb",
        "_EPROCESS.ObjectTable",
        "_EPROCESS.InheritedFromUniqueProcessId",
        "_ETHREAD.Win32StartAddress",
        "_ETHREAD.ThreadListEntry",
        "_MMVAD.Subsection",
        "_CONTROL_AREA.FilePointer",
        "_TOKEN.SessionId",
        "_TOKEN.UserAndGroupCount",
        "_HANDLE_TABLE.TableCode",
        "_OBJECT_HEADER_NAME_INFO.Name",
        "_PEB.ProcessParameters",
        "_LDR_DATA_TABLE_ENTRY.InMemoryOrderLinks",
        "_TEB.StackBase",
    ],
)
def test_no_row_shows_the_wrong_value_of_a_guessed_field_without_its_mark(field: str, kernel: Kernel) -> None:
    """A field lies elsewhere than the layout guesses: what it shows is lost, or the row that shows it is marked."""
    image, own = image_of(kernel, behind(kernel.build, field)), image_of(kernel, kernel.build)
    changed = 0
    for name in WALKED:
        right = [shown(row) for row in rows(own, name)]
        found = rows(image, name)
        changed += len(found) != len(right)
        for row in found:
            facts = shown(row)
            changed += facts not in right
            if MARK not in row[1]["Explanation"]:
                assert any(facts.items() <= each.items() for each in right), f"{name}: {facts}"
    assert changed


def test_rows_that_show_no_guessed_field_are_not_marked(kernel: Kernel) -> None:
    """Where stacks begin is the only guess of a layout: those alone are that show it or rest on it."""
    image = image_of(kernel, guessing(kernel.build, "_TEB.StackBase"))
    marked = {name for name in WALKED if any(MARK in row[1]["Explanation"] for row in rows(image, name))}
    assert marked == {"tebs", "vads", "pages"}
    tebs: list[dict[str, Any]] = [cells for _, cells in rows(image, "tebs")]
    assert {MARK in row["Explanation"] for row in tebs if isinstance(row["StackBase"], Absent | None)} <= {False}
    regions = [(cells["Region"], cells["Explanation"]) for _, cells in rows(image, "vads")]
    assert {bool(region) for region, text in regions if MARK in text} == {True}


def test_rows_that_are_concluded_from_many_fields_are_marked_where_any_is_guessed(kernel: Kernel) -> None:
    """How a process was made, say: there is no telling which field bore it."""
    image = image_of(kernel, guessing(kernel.build, "_TEB.StackBase"))
    assert all(MARK in row[1]["Explanation"] for row in rows(image, "creation"))
    exact = image_of(kernel, replace(guessing(kernel.build, "_TEB.StackBase"), estimated=False))
    assert not any(MARK in row[1]["Explanation"] for row in rows(exact, "creation"))


def test_a_guess_that_the_images_memory_proves_is_none(kernel: Kernel) -> None:
    """Page tables that map themselves, and ids that processes, threads and handle tables agree upon."""
    fields = "_EPROCESS.DirectoryTableBase", "_EPROCESS.UniqueProcessId", "_ETHREAD.UniqueProcess"
    image = image_of(kernel, guessing(kernel.build, *fields, "_EPROCESS.CreateTime"))
    tables = image.tables()
    assert {tables.source(*each.split(".")) for each in fields} == {PROVED}
    assert tables.source("_EPROCESS", "CreateTime") == NEIGHBOUR
    assert tables.source("_EPROCESS", "ExitTime") == FACTS
    checks = {row["Field"]: row["Source"] for _, row in rows(image, "selfcheck") if row["Field"]}
    assert checks["DirectoryTableBase"] == PROVED
    told = {row["Field"]: row for _, row in image.view("dt", pid=4).rows()}
    assert told["UniqueProcessId"]["Source"] == PROVED
    assert MARK not in told["UniqueProcessId"]["Explanation"]
    assert MARK in told["CreateTime"]["Explanation"]


@pytest.mark.parametrize("field", ["_EPROCESS.DirectoryTableBase", "_ETHREAD.UniqueProcess"])
def test_a_field_that_lies_elsewhere_is_not_proved(field: str, kernel: Kernel) -> None:
    """What a wrong place shows passes none of these checks."""
    build = behind(kernel.build, field)
    assert tuple(field.split(".")) not in trust(image_of(kernel, build).kernel).proved
