"""Functions of the kernel that lead out of it: told by where they lead, on 64-bit and on 32-bit Windows."""

from __future__ import annotations

import struct
from functools import cache

import pytest

from process_anatomy.findings import findings, judged
from process_anatomy.forge import INTRUSION, LAB, Image, forge
from process_anatomy.forge.traces.kernel_code import HOOKED, REDIRECTED
from process_anatomy.kernel.accessors import code_witnesses
from process_anatomy.kernel.observations import Outcome
from process_anatomy.kernel.selfproof import Verdict
from process_anatomy.walk.across.tables import Tables
from structs.peb import LDR_DATA_TABLE_ENTRY
from tests.walk.damaged import PAGE, Editor, kernel_of

BUILDS = ["x64-22621-382", "x86-19041-0", "x86-2600-5512"]
RULES = ["hooked-function", "redirected-function"]


@cache
def tampered(build: str) -> Image:
    """A machine with a function that leads to no driver, and one that leads into a driver."""
    return forge(INTRUSION, 23, build)


@pytest.mark.parametrize("build", BUILDS)
def test_what_the_answer_key_names_is_found_and_nothing_on_a_clean_machine(build: str) -> None:
    """With the places of both ends, and the driver that one leads into; neither tells of the layout."""
    image = tampered(build)
    tables = Tables(kernel_of(image))
    key = {p["pid"] for p in image.truth["processes"] if "hooked-function" in p["findings"]}
    hooked, redirected = findings(tables, rules=RULES)
    assert key == {4} == {hooked.process.pid if hooked.process else None}
    assert (hooked.rule, hooked.about) == ("hooked-function", HOOKED)
    assert hooked.evidence[0].startswith(f"{HOOKED} at {tables.kernel.image.export(HOOKED):#x} leads to ")
    assert hooked.evidence[0].endswith(", in no driver")
    assert (redirected.rule, redirected.about) == ("redirected-function", REDIRECTED)
    assert redirected.evidence[0].endswith(f", in the driver {image.truth['kernel_modules'][1]['name']}")
    silent = {c.told for c in tables.proof.checks if c.id == "kernel-code" and c.outcome is Outcome.UNKNOWN}
    assert {words.partition(" jumps")[0] for words in silent if "jumps" in words} == {HOOKED, REDIRECTED}
    assert not any(c.failed for c in tables.proof.checks if c.id == "kernel-code")
    assert tables.proof.verdict is not Verdict.DOUBTFUL
    assert findings(Tables(kernel_of(forge(LAB, 23, build))), rules=RULES) == []


@pytest.mark.parametrize("build", BUILDS[:2])
@pytest.mark.parametrize("change", ["no page there", "nothing in the page", "user space", "inside the kernel"])
def test_a_function_that_leads_to_no_code_accuses_nobody(build: str, change: str) -> None:
    """Where a page of the kernel's code is of another moment, an address can be any: it must be code to be a hook's."""
    edit, kernel = Editor(tampered(build)), kernel_of(tampered(build))
    place = kernel.image.export(HOOKED)
    assert place is not None
    target = place - 0x20_0000 if change == "no page there" else kernel.base + 0x1000
    if change == "user space":
        target = 0x7FFE_0000
    if change == "nothing in the page":
        edit.write(tampered(build).truth["kernel_base"] - before(build), bytes(16))
    elif change == "user space" and edit.space.pointer_size == 8:
        edit.write(place, b"\x48\xb8" + struct.pack("<Q", target) + b"\xff\xe0")
    else:
        edit.write(place, b"\xe9" + struct.pack("<I", target - place - 5 & 0xFFFFFFFF))
    found = findings(Tables(kernel_of(tampered(build), edit.frames)), rules=RULES)
    assert [each.rule for each in found] == ["redirected-function"]


def before(build: str) -> int:
    """Bytes in front of the kernel where the forge puts code of no driver."""
    return 0x100000 if build.startswith("x86") else 0x800000


def test_a_page_that_may_not_be_executed_is_no_hook() -> None:
    """Its entry forbids it: nobody can run what stands there."""
    image = tampered(BUILDS[0])
    edit = Editor(image)
    target = image.truth["kernel_base"] - before(BUILDS[0])
    table = edit.space.root
    for shift in edit.space.mode.shifts:
        at = table + 8 * (target >> shift & 511)
        page = bytearray(edit.frames[at // PAGE])
        (entry,) = struct.unpack_from("<Q", page, at % PAGE)
        table = entry & 0xFFFF_FFFF_F000
        if shift == 12:
            struct.pack_into("<Q", page, at % PAGE, entry | 1 << 63)
            edit.frames[at // PAGE] = bytes(page)
    found = findings(Tables(kernel_of(image, edit.frames)), rules=RULES)
    assert [each.rule for each in found] == ["redirected-function"]


def test_an_export_that_leads_out_of_the_image_is_told_like_a_jump() -> None:
    """The relative address in the export table is another's; the code of the function is as it was."""
    image = tampered(BUILDS[0])
    edit, kernel = Editor(image), kernel_of(image)
    (place,) = (each.address for each in code_witnesses(kernel) if each.accessor.function == "PsGetProcessId")
    driver = image.truth["kernel_modules"][1]["base"] + PAGE
    base, size = kernel.base, kernel.size
    old, new = (struct.pack("<I", address - base) for address in (place, driver))
    words = b"".join(edit.space.read(at, PAGE) or bytes(PAGE) for at in range(base, base + size, PAGE))
    edit.write(base + words.index(old), new)
    found = findings(Tables(kernel_of(image, edit.frames)), rules=["redirected-function"])
    assert {each.about for each in found} == {"PsGetProcessId", REDIRECTED}


def test_where_the_list_of_drivers_is_cut_nobody_is_accused() -> None:
    """What lies in no driver that is listed may lie in one that is not."""
    image = tampered(BUILDS[0])
    edit = Editor(image)
    row = Tables(kernel_of(image)).drivers.rows[5]
    assert isinstance(row.address, int)
    edit.set(LDR_DATA_TABLE_ENTRY, row.address, "InLoadOrderLinks", 0x10)
    judgement = judged(Tables(kernel_of(image, edit.frames)), rules=RULES)
    assert not judgement.findings
    assert any("the list of drivers is cut" in line for line in judgement.lines)
