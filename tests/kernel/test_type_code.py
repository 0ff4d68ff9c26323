"""Where the kernel's own ObGetObjectType finds types: compiled by others, forged, spoiled, and where no search does."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.forge.kernel.accessors import thread_getters, type_getter
from process_anatomy.kernel.code_checks import thread_checks, type_checks
from process_anatomy.kernel.objects import object_types
from process_anatomy.kernel.observations import Outcome
from process_anatomy.kernel.selfproof import Verdict
from process_anatomy.kernel.type_code import TypeCode, told_by, type_code
from process_anatomy.walk.across.selfcheck import selfcheck
from structs import builds
from structs.object import EXPORTED_TYPES, OBJECT_HEADER, OBJECT_TYPE
from tests.memory.patchwork import Patchwork
from tests.walk.damaged import Editor, kernel_of

BASE = {8: 0xFFFFF80000400000, 4: 0x80400000}
TABLE, COOKIE = 0x7100, 0x7010
BUILDS = ["x64-22621-382", "x64-9600-18340", "x86-19041-0", "x86-7601-24000"]
SOURCE = """
#define HIDDEN __attribute__((visibility("hidden")))
extern HIDDEN void *table[256];
extern HIDDEN unsigned char cookie;
{convention} void *ObGetObjectType(unsigned char *object) {{
    unsigned char index = object[{index}];
    {mixed}
    return table[index];
}}
"""
MIXED = "index ^= (unsigned char)((unsigned long long)(__UINTPTR_TYPE__)(object - {body}) >> 8) ^ cookie;"


@cache
def lab(build: str) -> Image:
    """A machine of a build, forged once."""
    return forge(LAB, 23, build)


def heard(code: bytes, size: int, at: int = 0) -> TypeCode | None:
    """What code says that stands for the function in an image of 64 KB."""
    space = Patchwork({BASE[size]: (b"\xcc" * at + code).ljust(0x1000, b"\xcc")[:0x1000]}, size)
    image = SimpleNamespace(base=BASE[size], size=0x10000, space=space, export=lambda name: BASE[size] + at)
    return told_by(image)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", ["-O1", "-O2", "-Os"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("build", BUILDS)
def test_what_a_compiler_made_of_it_names_table_and_cookie(
    build: str, compiler: str, level: str, tmp_path: Path
) -> None:
    """Linked where a kernel lies: both addresses, and where the header's byte is; no cookie before Windows 10."""
    if any(shutil.which(tool) is None for tool in (compiler, "ld", "objcopy")):
        pytest.skip(f"{compiler} is not installed")
    layout = builds.load(build)
    size, header = layout.pointer_size, layout[OBJECT_HEADER]
    body = header.offset("Body")
    has_cookie = layout.number >= 10240
    convention = {8: "__attribute__((ms_abi))", 4: "__attribute__((stdcall))"}[size]
    index = header.offset("TypeIndex") - body
    mixed = MIXED.format(body=body) if has_cookie else ""
    (tmp_path / "code.c").write_text(SOURCE.format(convention=convention, index=index, mixed=mixed))
    flags = [f"-m{8 * size}", level, "-c", "-fpie" if size == 8 else "-fno-pie", "-mno-sse", "-fno-stack-protector"]
    names = [f"--defsym={name}={BASE[size] + at:#x}" for name, at in (("table", TABLE), ("cookie", COOKIE))]
    form = {8: "elf_x86_64", 4: "elf_i386"}[size]
    for command in (
        [compiler, *flags, "code.c", "-o", "code.o"],
        ["ld", "-m", form, f"-Ttext={BASE[size]:#x}", *names, "-e", f"{BASE[size]:#x}", "code.o", "-o", "code.elf"],
        ["objcopy", "-O", "binary", "-j", ".text", "code.elf", "code.bin"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    found = heard((tmp_path / "code.bin").read_bytes(), size)
    assert found is not None
    if found.silent:  # clang mixes in the second byte of a 32-bit register, as no kernel does
        assert (compiler, size, has_cookie) == ("clang", 4, True)
        return
    assert found.table == BASE[size] + TABLE
    assert found.cookie == (BASE[size] + COOKIE if has_cookie else None)
    assert found.index == index
    assert found.header == (body if has_cookie else 0)


@pytest.mark.parametrize("build", BUILDS)
def test_the_kernels_own_function_names_what_the_search_found(build: str) -> None:
    """Of forged kernels, whose truth has table and cookie."""
    kernel = kernel_of(lab(build))
    code, types = type_code(kernel), object_types(kernel)
    assert code is not None
    assert (code.table, code.table) == (types.table, lab(build).truth["symbols"]["ObTypeIndexTable"])
    assert code.cookie == (None if types.cookie is None else lab(build).truth["symbols"]["ObHeaderCookie"])
    checks = [*type_checks(kernel), *thread_checks(kernel)]
    assert {check.outcome for check in checks} == {Outcome.FITS}
    assert [check.told.rpartition(": ")[2] for check in checks if check.id in ("kernel-types", "kernel-cookie")] == [
        "equal",
        "equal",
    ]
    assert sum(check.id == "kernel-thread" for check in checks) == 2
    assert selfcheck(kernel).verdict is not Verdict.DOUBTFUL


def code_of(size: int, cookie: bool = True) -> bytes:
    """The forged function."""
    layout = builds.load("x64-22621-382" if size == 8 else "x86-19041-0")
    return type_getter(layout, BASE[size], BASE[size] + TABLE, BASE[size] + COOKIE if cookie else None)


@pytest.mark.parametrize("size", [8, 4])
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_bytes_that_are_not_it_say_nothing_or_the_truth(size: int, data: st.DataObject) -> None:
    """One byte changed: no exception, and where something is said, both addresses lie in the image."""
    code = bytearray(code_of(size))
    code[data.draw(st.integers(0, len(code) - 1))] = data.draw(st.integers(0, 255))
    found = heard(bytes(code), size)
    assert found is not None
    inside = range(BASE[size], BASE[size] + 0x10000)
    assert found.table is None or found.table in inside
    assert found.cookie is None or found.cookie in inside
    assert found.silent or -0x100 < found.index < 0


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=64))
def test_garbage_says_nothing(noise: bytes) -> None:
    for size in (8, 4):
        found = heard(noise, size)
        assert found is not None
        assert found.silent or found.table is not None


@pytest.mark.parametrize(
    "code",
    [
        "e900000070",  # a jump out of the image
        "488d41d0c3",  # an address alone
        "0fb641e8c3",  # the number alone
        "0fb641e8488d0d00700000488b04c8" + "c3",  # an element of another size is of the same scale: by the number alone
    ],
)
def test_another_function_is_taken_for_what_it_is(code: str) -> None:
    found = heard(bytes.fromhex(code), 8)
    assert found is not None
    if code.startswith("e9"):
        assert found.outside == BASE[8] + 0x70000005
    assert found.silent


def test_a_hooked_function_says_nothing_and_takes_no_trust() -> None:
    image = lab(BUILDS[0])
    edit, kernel = Editor(image), kernel_of(image)
    code = type_code(kernel)
    assert code is not None
    edit.write(code.address, bytes.fromhex("e900000070"))
    later = kernel_of(image, edit.frames)
    (check,) = type_checks(later)
    assert (check.passed, check.failed, check.unreadable) == (0, 0, 1)
    assert "leads out of the kernel" in check.told
    assert selfcheck(later).verdict is Verdict.EXACT


def test_a_patched_function_that_names_another_cookie_is_shown_and_not_believed() -> None:
    image = lab(BUILDS[0])
    edit, kernel = Editor(image), kernel_of(image)
    code, types = type_code(kernel), object_types(kernel)
    assert code is not None
    assert code.cookie is not None
    assert isinstance(types.cookie, int)
    edit.write(code.cookie, bytes([types.cookie ^ 1]))
    later = kernel_of(image, edit.frames)
    found = {check.id: check for check in type_checks(later)}
    assert found["kernel-cookie"].outcome is Outcome.MOSTLY
    assert "but headers are mixed with" in found["kernel-cookie"].told
    assert object_types(later).cookie == types.cookie
    assert selfcheck(later).verdict is Verdict.EXACT


@pytest.mark.parametrize("build", ["x64-22621-382", "x86-19041-0"])
def test_where_the_search_finds_no_table_the_one_that_the_code_reads_is_used(build: str) -> None:
    """No exported variable leads to a type, and every sixth type is spoiled, so that there is no long run of them."""
    image = lab(build)
    edit, kernel = Editor(image), kernel_of(image)
    rows, size = object_types(kernel).rows, kernel.build.pointer_size
    for variable in EXPORTED_TYPES:
        where = kernel.image.export(variable)
        if where is not None:
            edit.write(where, bytes(size))
    for index, row in rows.items():
        if index % 6 == 0:
            edit.set(OBJECT_TYPE, row.address, "Index", 0)
    found = object_types(kernel_of(image, edit.frames))
    assert found.table == object_types(kernel).table
    assert any("own ObGetObjectType names" in problem for problem in found.problems)
    assert {row.name for row in found.rows.values()} == {row.name for row in rows.values()}
    code = type_code(kernel)
    assert code is not None
    edit.write(code.address, b"\xc3")
    assert isinstance(object_types(kernel_of(image, edit.frames)).table, Absent), "without the code there is none"


@pytest.mark.parametrize("build", ["x64-22621-382", "x86-19041-0"])
def test_where_known_objects_disagree_on_a_cookie_the_one_that_the_code_reads_is_used_if_objects_bear_it_out(
    build: str,
) -> None:
    """The headers of all types are spoiled, each in its own way; processes tell that the byte is right."""
    image = lab(build)
    edit, kernel = Editor(image), kernel_of(image)
    types = object_types(kernel)
    header = kernel.build[OBJECT_HEADER]
    for index, row in types.rows.items():
        place = row.address - header.offset("Body") + header.offset("TypeIndex")
        edit.write(place, bytes([(index * 37 + 11) & 0xFF]))
    later = object_types(kernel_of(image, edit.frames))
    assert later.cookie == types.cookie
    assert any("own ObGetObjectType reads" in problem for problem in later.problems)
    code = type_code(kernel)
    assert code is not None
    assert code.cookie is not None
    assert isinstance(types.cookie, int)
    edit.write(code.cookie, bytes([types.cookie ^ 0x5A]))
    assert isinstance(object_types(kernel_of(image, edit.frames)).cookie, Absent), "nothing bears this one out"


def test_code_that_gives_the_current_thread_from_elsewhere_is_told() -> None:
    image = lab(BUILDS[0])
    edit, kernel = Editor(image), kernel_of(image)
    for name, code in thread_getters(8).items():
        where = kernel.image.export(name)
        assert where is not None
        edit.write(where, code.replace(b"\x88\x01", b"\x90\x01"))
    checks = list(thread_checks(kernel_of(image, edit.frames)))
    assert [check.told for check in checks] == [
        "PsGetCurrentThread reads gs:0x190",
        "KeGetCurrentThread reads gs:0x190",
    ]
    assert all(check.failed for check in checks)
