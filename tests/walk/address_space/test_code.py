"""Code that no file gave, and what the kernel records of programs, held against the answer key of a forged image."""

from __future__ import annotations

import hashlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.absent import NOT_APPLICABLE
from process_anatomy.forge import INTRUSION, Image, forge
from process_anatomy.memory.physical import PAGE
from process_anatomy.views.image import Image as Views
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.address_space.code import HEADER_REACH, pe_header
from process_anatomy.walk.address_space.vad_nodes import IMAGE_MAP
from tests.walk.damaged import Editor, kernel_of, process_truth
from tests.walk.overlay import Overlay


@pytest.fixture(scope="module")
def image() -> Image:
    return forge(INTRUSION)


@pytest.fixture(scope="module")
def tables(image: Image) -> Tables:
    return Tables(kernel_of(image))


def header(at: int, machine: int = 0x8664, magic: int = 0x20B) -> bytes:
    """A page that begins as an image does, with the PE header at a place."""
    optional = struct.pack("<4sH18xH", b"PE\0\0", machine, magic)
    return (b"MZ".ljust(at, b"\0") + optional).ljust(PAGE, b"\0")


@pytest.mark.parametrize("at", [0x40, 0x80, 0x3F0])
@pytest.mark.parametrize(("machine", "magic"), [(0x8664, 0x20B), (0x014C, 0x10B), (0xAA64, 0x20B)])
def test_a_header_is_known_with_and_without_its_signature(at: int, machine: int, magic: int) -> None:
    page = header(at, machine, magic)
    assert pe_header(page)
    assert pe_header(b"\0\0" + page[2:])


def test_a_header_of_an_unknown_machine_or_magic_or_too_far_away_is_none() -> None:
    assert not pe_header(header(0x80, machine=0x1234))
    assert not pe_header(header(0x80, magic=0x999))
    assert not pe_header(header(HEADER_REACH))
    assert not pe_header(b"MZ".ljust(PAGE, b"\0"))


@given(st.binary(max_size=2 * PAGE))
def test_any_bytes_are_judged(page: bytes) -> None:
    assert pe_header(page) in (False, True)


def test_own_code_is_where_the_answer_key_has_it(image: Image, tables: Tables) -> None:
    """Injected, generated and copied code by its pages; patched pages of images by their addresses."""
    patched, free = set(), set()
    for row in tables.code:
        places = {(row.process.pid, at) for at in row.range.own_code}
        if row.range.vad is not None and row.range.vad.vad_type == IMAGE_MAP:
            patched |= places
        else:
            free |= places
    odd = [(p["pid"], page) for p in image.truth["processes"] for page in p.get("odd_pages", [])]
    expected = {(pid, page["va"]) for pid, page in odd if page["kind"] == "private-copy"}
    base = process_truth(image, "overwritten.exe")
    assert patched == expected | {(base["pid"], base["image_base"] + PAGE)}
    told = {
        (pid, page["va"] + PAGE * n)
        for pid, page in odd
        if page["kind"] != "private-copy"
        for n in range(page["pages"])
    }
    told |= {
        (p["pid"], page["va"])
        for p in image.truth["processes"]
        for page in p.get("pages", [])
        if page["note"] in ("generated code", "injected")
    }
    assert free >= told
    assert {pid for pid, _ in free - told} == {process_truth(image, n)["pid"] for n in ("copied.exe", "emptied.exe")}


def test_a_page_of_zeros_is_no_code(image: Image) -> None:
    """The first page that holds anything is told; a range of zeros has no row."""
    edit = Editor(image)
    victim = process_truth(image, "implant.exe")
    place = next(page["va"] for page in victim["pages"] if page["note"] == "injected")
    edit.write(place, bytes(PAGE), victim["dtb"])
    rows = Tables(kernel_of(image, edit.frames)).code
    assert not any(row.process.pid == victim["pid"] and place in row.range.own_code for row in rows)


def test_own_code_has_the_hash_of_its_whole_page(image: Image, tables: Tables) -> None:
    """The answer key has a check sum of each page, by which the frame is found."""
    frames = {zlib.crc32(page): page for page in image.physical.values()}
    told = {
        (process["pid"], page["va"]): hashlib.sha256(frames[page["crc32"]]).hexdigest()
        for process in image.truth["processes"]
        for page in process.get("pages", [])
        if page["note"] in ("generated code", "injected")
    }
    assert told.items() <= {(row.process.pid, row.first): row.digest for row in tables.code}.items()
    assert len(set(told.values())) == 2


def test_code_that_cannot_be_read_is_told_with_the_reason(image: Image) -> None:
    """Its cells are absent, not empty; pages that hold zeros alone have nothing to tell."""
    victim = process_truth(image, "implant.exe")
    place = next(page["va"] for page in victim["pages"] if page["note"] == "injected")
    over = Overlay(kernel_of(image))
    over.lose(place, victim["dtb"])
    rows = list(Views(over.kernel()).view("pages", pid=victim["pid"], explain="off"))
    (row,) = (row for row in rows if row["Start"] == place)
    reason = "pages that may run and come from no file are not in the image: 1"
    assert [row[name] for name in ("CodeStart", "CodeBytes", "CodeHash")] == [None] * 3
    assert row.absent["CodeHash"] == reason
    assert any(reason in line for line in row["Problems"])  # type: ignore[union-attr]
    assert sum(isinstance(row["CodeHash"], str) for row in rows) >= 1


def test_the_kernels_record_of_programs_is_that_of_the_answer_key(image: Image, tables: Tables) -> None:
    """Where the program was mapped, and the debug object."""
    for process in image.truth["processes"]:
        row = tables.programs.get(process["eprocess"])
        if row is not None and "image_base" in process:
            assert row.base == process["image_base"]
            assert row.debug_port == process.get("debug_port", 0)
        elif row is not None:
            assert row.base == NOT_APPLICABLE
