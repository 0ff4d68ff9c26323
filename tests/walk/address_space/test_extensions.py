"""Pages behind the end of images, since Windows 11 24H2: ordinary where the kernel says so, told where it does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.findings import Finding, Severity, findings
from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.clean import HOT_PATCHED
from process_anatomy.forge.program.images import patch_path
from process_anatomy.memory.paging import translate_one
from process_anatomy.memory.view import addresses_of
from process_anatomy.views.image import Image as OpenedImage
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.address_space.extensions import extension, image_pages, of_other_size
from process_anatomy.walk.address_space.sections import NO_SECTION
from process_anatomy.walk.address_space.vads import Vad
from structs.peb import LDR_DATA_TABLE_ENTRY
from structs.section import CONTROL_AREA
from structs.vad import MMVAD
from tests.walk.damaged import PAGE, Editor, kernel_of

BUILD = "x64-26100-1742"
PATCHED, LEDGER = 5000, 5040
DIRTY, FRAME = 0x40, 0x000F_FFFF_FFFF_F000
SCP = 0x200000
"""The loader's flag that older headers call LDRP_IMAGE_NOT_AT_BASE."""


@pytest.fixture(scope="module")
def image() -> Image:
    return forge(HOT_PATCHED, build=BUILD)


@pytest.fixture(scope="module")
def tables(image: Image) -> Tables:
    return Tables(kernel_of(image))


def truth_of(image: Image, pid: int) -> dict[str, Any]:
    return next(p for p in image.truth["processes"] if p["pid"] == pid)


def vad_of(image: Image, pid: int, name: str) -> dict[str, Any]:
    return next(v for v in truth_of(image, pid)["vads"] if v["file"] and v["file"].endswith(name))


def told(editor: Editor, image: Image, pid: int) -> list[Finding]:
    tables = Tables(kernel_of(image, editor.frames))
    return [f for f in findings(tables) if f.severity > Severity.INFO and f.process and f.process.pid == pid]


@pytest.mark.proves("forged", "x64-26100")
def test_pages_behind_images_are_counted_as_the_answer_key_has_them(image: Image, tables: Tables) -> None:
    """One or two, by the section and the node, never taken for granted; ranges that have none say nothing."""
    expected = {v["node"]: v.get("extension", 0) for p in image.truth["processes"] for v in p["vads"]}
    got = {vad.address: extension(vad, section) for vad, section in zip(tables.vads.rows, tables.sections, strict=True)}
    assert {at: 0 if isinstance(pages, Absent) else pages for at, pages in got.items()} == expected
    assert {*expected.values()} == {0, 1, 2}
    flagged = [c.flags for v, c in zip(tables.vads.rows, tables.vad_checks, strict=True) if expected[v.address]]
    assert flagged
    assert all("ImageMappingExtended" in str(flags) for flags in flagged)


def test_a_longer_view_is_no_contradiction(tables: Tables) -> None:
    """Neither of the loader, nor of the header, nor in the page tables; and it is explained."""
    longer = [row for row in tables.modules.rows if isinstance(row.extension, int)]
    assert len({row.name for row in longer}) >= 5
    assert [row for row in longer if row.disputed or any("bytes" in line for line in row.problems)] == []
    assert [row for row in tables.images(every=True).rows if any("are mapped" in line for line in row.problems)] == []
    behind = [row for row in tables.pages.rows if isinstance(row.extension, int)]
    assert [row for row in behind if row.disagreement or row.own_code] == []
    assert any("X" in row.hardware for row in behind)
    view = OpenedImage(tables.kernel)
    words = [row["Explanation"] for row in view.view("modules", explain="brief") if row["Extension"] and row["InLoad"]]
    assert words
    assert all("behind its end" in str(text) or "patched it while it was in use" in str(text) for text in words)
    for name in ("vads", "pages"):
        assert {row["Extension"] for row in view.view(name, pid=[LEDGER])} == {None, 1, 2}


def test_a_hot_patch_is_told_by_loader_peb_and_kernel(tables: Tables) -> None:
    """The patched library names its patch, which came as a patch; the kernel knows of it, and the PEB says so."""
    rows = {row.name: row for row in tables.modules.rows if row.process.pid == PATCHED}
    patch = rows[patch_path("appinfo.dll").rsplit("\\", 1)[-1]]
    assert (rows["appinfo.dll"].told("hot_patch"), rows["appinfo.dll"].told("patch_base")) == (
        "AppliedForward",
        patch.base,
    )
    assert patch.told("load_reason") == "PatchImage"
    assert rows["ntdll.dll"].told("hot_patch") == "BaseImage"
    assert rows["ntdll.dll"].told("flags") & SCP
    with_context = {peb.process.pid for peb in tables.pebs if isinstance(peb.hot_patch_context, int)}
    marked = {peb.process.pid for peb in tables.pebs if "ProcessImagesHotPatched" in str(peb.flags)}
    assert with_context == {PATCHED, LEDGER}
    assert marked == with_context


def test_a_longer_view_without_the_flag_is_found(image: Image) -> None:
    """The same pages, and a node that does not say that they belong there."""
    editor = Editor(image)
    node = vad_of(image, LEDGER, "kernel32.dll")["node"]
    place = editor.build[MMVAD].place("ImageMappingExtended")
    editor.write(node + place.offset, bytes(place.size))
    found = told(editor, image, LEDGER)
    assert [f.rule for f in found] == ["mistold-module"]
    assert "0x200000 bytes, but 0x201000 are mapped" in found[0].evidence[0]


@pytest.mark.parametrize("size", [0x1000, 0x1FF000, 0x201000, 0x280000])
def test_a_loader_that_tells_another_size_of_an_extended_image_is_found(image: Image, size: int) -> None:
    """Smaller by a page, as great as the view, greater: the section says how long the image is."""
    editor, owner = Editor(image), truth_of(image, LEDGER)
    tables = Tables(kernel_of(image))
    row = next(r for r in tables.modules.rows if r.process.pid == LEDGER and r.name == "kernel32.dll")
    editor.set(LDR_DATA_TABLE_ENTRY, row.told("address"), "SizeOfImage", size, owner["dtb"])
    found = told(editor, image, LEDGER)
    assert [f.rule for f in found] == ["mistold-module"]
    assert f"the loader says {size:#x} bytes, but 0x201000 are mapped" in found[0].evidence


def test_a_page_behind_an_image_that_the_process_wrote_is_found(image: Image) -> None:
    """Windows maps one page for all; a changed copy in one process is that process's own code."""
    vad, owner = vad_of(image, LEDGER, "ntdll.dll"), truth_of(image, LEDGER)
    at = vad["end"] + 1 - PAGE
    editor = Editor(image)
    entry_at, own = entry_of(image, owner["dtb"], at)
    spare = next(n for n in range(1, image.memory_size // PAGE) if n not in editor.frames)
    editor.frames[spare] = b"\xe9\x00\x10\x00\x00".ljust(PAGE, b"\x90")
    entry = (own & ~FRAME & ~(1 << 9)) | spare * PAGE | DIRTY
    page = bytearray(editor.frames[entry_at // PAGE])
    page[entry_at % PAGE : entry_at % PAGE + 8] = entry.to_bytes(8, "little")
    editor.frames[entry_at // PAGE] = bytes(page)
    found = told(editor, image, LEDGER)
    assert [f.rule for f in found] == ["patched-code"]
    assert f"{at:#x}" in found[0].about


def entry_of(image: Image, root: int, address: int) -> tuple[int, int]:
    """Where the lowest page-table entry of an address lies, and what it holds."""
    memory, table = image.physical, root
    for level in (39, 30, 21):
        at = table + 8 * (address >> level & 0x1FF)
        table = int.from_bytes(memory[at // PAGE][at % PAGE : at % PAGE + 8], "little") & FRAME
    at = table + 8 * (address >> 12 & 0x1FF)
    return at, int.from_bytes(memory[at // PAGE][at % PAGE : at % PAGE + 8], "little")


def test_a_section_that_cannot_be_read_accuses_nobody(image: Image, tables: Tables) -> None:
    """How long the image is, is not known then: only what is greater than the view contradicts it."""
    editor = Editor(image)
    backing = zip(tables.vads.rows, tables.sections, strict=True)
    areas = {s.control_area for v, s in backing if v.extended == 1 and isinstance(s.control_area, int)}
    segments = tables.kernel.view.records(CONTROL_AREA, addresses_of(sorted(areas))).values("Segment")
    for segment in segments:
        physical, _ = translate_one(editor.space.memory, segment, editor.space.root, editor.space.mode)
        editor.frames.pop(physical // PAGE, None)
    damaged = Tables(kernel_of(image, editor.frames))
    assert {isinstance(extension(v, s), int) for v, s in zip(damaged.vads.rows, damaged.sections, strict=True)} == {
        False
    }
    assert [f for f in findings(damaged) if f.rule in ("mistold-module", "patched-code", "hollowed-program")] == []


LONGER = Vad(
    process=None, address=1, depth=0, start=0x10000, end=0x10000 + 9 * PAGE - 1, tag="Vad ", vad_type="VadImageMap",  # type: ignore[arg-type]
    protection="PAGE_EXECUTE_WRITECOPY", commit=1, private=0, parent=0, file="\\a.dll", enclave=False, problems=(),
    extended=1,
)  # fmt: skip
UNREAD = Absent(Kind.UNREADABLE, "gone")


@given(st.integers(1, 12 * PAGE), st.integers(1, 9))
def test_an_extended_view_fits_what_its_section_holds_and_nothing_else(size: int, pages: int) -> None:
    section = NO_SECTION._replace(pages=pages)
    wanted = -(-size // PAGE)
    assert of_other_size(size, LONGER, section) == (
        wanted > 9 if pages == 9 and wanted > 9 else pages < 9 and wanted != pages
    )


@given(st.integers(1, 12 * PAGE))
def test_what_is_not_known_contradicts_nothing(size: int) -> None:
    """No section, or a flag that could not be read: only what is greater than the view cannot be."""
    wanted = -(-size // PAGE)
    assert of_other_size(size, LONGER, NO_SECTION._replace(pages=UNREAD)) == (wanted > 9)
    assert of_other_size(size, LONGER._replace(extended=UNREAD), NO_SECTION) == (wanted > 9)
    assert of_other_size(size, LONGER._replace(extended=0), NO_SECTION) == (wanted != 9)
    older = LONGER._replace(extended=NOT_APPLICABLE)
    assert of_other_size(size, older, NO_SECTION) == (wanted != 9)
    assert image_pages(LONGER._replace(end=UNREAD), NO_SECTION) == NOT_APPLICABLE
