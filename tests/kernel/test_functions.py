"""What small functions give of a structure: compiled by others, written by hand, and spoiled."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.kernel.accessors import CodeWitness, field_of
from process_anatomy.kernel.functions import followed
from process_anatomy.kernel.values import Given, Pointer, Read
from structs import builds
from structs.accessors import ACCESSORS, CURRENT_THREAD, Accessor
from structs.layout import Build, Place
from tests.memory.patchwork import Patchwork


def given_by(space: Patchwork, address: int, inside: range) -> Given | None:
    """What a function gives its caller."""
    return followed(space, address, inside).value


def outside(space: Patchwork, address: int, inside: range) -> int | None:
    """Where a function leads to out of the image."""
    return followed(space, address, inside).outside


BASE = {8: 0xFFFFF80000400000, 4: 0x80400000}
CONVENTION = {8: "__attribute__((ms_abi))", 4: "__attribute__((stdcall))"}
SEGMENT = {8: "__seg_gs", 4: "__seg_fs"}
STEP = 0xB8
"""Where the forged thread of these functions has its process."""
WHOLE = {1: "unsigned char", 2: "unsigned short", 4: "unsigned", 8: "unsigned long long"}
LAYOUTS = ["x64-26100-1742", "x64-19041-3324", "x64-9600-18340", "x64-7601-24540", "x86-19041-2965", "x86-2600-5512"]


def source(each: Accessor, place: Place, pointer_size: int) -> str:
    """A function in C that does what the kernel's function of this name does."""
    name = each.function
    kind = WHOLE.get(place.size, "char")
    member = f"{kind} field"
    if place.bits is not None:
        member = (f"{kind} front : {place.bit}; " if place.bit else "") + f"{kind} field : {place.bits}"
    elif place.size not in WHOLE:
        member = f"char field[{place.size}]"
    layout = f"#pragma pack(push, 1)\nstruct S_{name} {{ char pad[{place.offset}]; {member}; }};\n#pragma pack(pop)\n"
    if each.steps:
        thread = f"*(char * const {SEGMENT[pointer_size]} *){CURRENT_THREAD[pointer_size]:#x}"
        start = thread if each.steps == 1 else f"*(char **)(({thread}) + {STEP:#x})"
        kind = "unsigned" if place.size > pointer_size else kind  # a compiler reads two halves, the lower one first
        head = f"{layout}{kind} {CONVENTION[pointer_size]} {name}(void)"
        return f"{head} {{ return *({kind} *)({start} + {place.offset}); }}\n"
    head = f"{CONVENTION[pointer_size]} {name}(struct S_{name} *p"
    if place.size not in WHOLE:
        return f"{layout}char *{head}) {{ return p->field; }}\n"
    if name.startswith("SeQuery"):
        return f"{layout}int {head}, {kind} *out) {{ *out = p->field; return 0; }}\n"
    if name == "SeTokenIsAdmin":
        return f"{layout}unsigned char {head}) {{ return (p->field & 0x4000) != 0; }}\n"
    if "Is" in name and place.bits is None:
        test = "& 0x10) != 0" if each.part else ") != 0"
        return f"{layout}unsigned char {head}) {{ return (p->field {test}; }}\n"
    if place.bits is not None and "Is" in name:
        return f"{layout}unsigned char {head}) {{ return p->field != 0; }}\n"
    return f"{layout}{kind} {head}) {{ return p->field; }}\n"


def fields(build: Build) -> Iterator[tuple[Accessor, Place]]:
    """The accessors whose fields a layout has."""
    for each in ACCESSORS:
        place = build.places.get(each.layout.name, {}).get(each.field)
        if place is not None:
            yield each, place


def compiled(build: Build, compiler: str, level: str, folder: Path) -> tuple[Patchwork, dict[str, int]]:
    """All functions of a layout as a compiler makes them, as a kernel would have them, and where each begins."""
    size = build.pointer_size
    text = "".join(source(each, place, size) for each, place in fields(build))
    (folder / "code.c").write_text(text)
    flags = [f"-m{8 * size}", level, "-c", "-fno-pic", "-mno-sse", "-fno-stack-protector"]
    subprocess.run([compiler, *flags, "code.c", "-o", "code.o"], cwd=folder, check=True, capture_output=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", "code.o", "code.bin"], cwd=folder, check=True)
    listed = subprocess.run(["nm", "code.o"], cwd=folder, check=True, capture_output=True, text=True).stdout
    places = {line.split()[2].split("@")[0].lstrip("_"): int(line.split()[0], 16) for line in listed.splitlines()}
    space = Patchwork({BASE[size]: (folder / "code.bin").read_bytes().ljust(0x4000, b"\xcc")}, size)
    return space, {name: BASE[size] + at for name, at in places.items()}


@pytest.mark.parametrize("level", ["-O1", "-O2", "-Os"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_functions_that_a_compiler_made_say_where_the_field_is(
    name: str, compiler: str, level: str, tmp_path: Path
) -> None:
    """Of every field of the layout that a function gives: its place, its bits, and never another one."""
    if shutil.which(compiler) is None or shutil.which("objcopy") is None:
        pytest.skip(f"{compiler} is not installed")
    build = builds.load(name)
    space, where = compiled(build, compiler, level, tmp_path)
    inside = range(BASE[build.pointer_size], BASE[build.pointer_size] + 0x4000)
    silent, compared = [], 0
    for each, place in fields(build):
        found = given_by(space, where[each.function], inside)
        if found is None:
            silent.append(each.function)
            continue
        offset, bits = field_of(each, found, build.pointer_size)
        said = CodeWitness(each, where[each.function], offset, bits, None)
        assert said.agrees(place), (each.function, found, place)
        compared += 1
        moved = Place(place.offset + place.size, place.size, place.bit, place.bits)
        assert not said.agrees(moved), (each.function, found, moved)
    assert silent == [e.function for e, p in fields(build) if p.bits is not None and p.size > build.pointer_size]
    assert compared > 12


FORMS_64 = {
    "a load": ("488b8140040000c3", Read(0x440, 8)),
    "an address": ("488d81a8050000c3", Pointer("first", 0x5A8)),
    "an address by a sum": ("488bc14805a8050000c3", Pointer("first", 0x5A8)),
    "a byte": ("8a817a080000c3", Read(0x87A, 1)),
    "a bit by a shift": ("8b8164040000c1e80283e001c3", Read(0x464, 4, 2, 1)),
    "a bit by a test": ("f6817a08000007b8000000000f95c0c3", Read(0x87A, 1, 0, 7, True)),
    "a comparison with nothing": ("33c0483981780500000f95c0c3", Read(0x578, 8, 0, None, True)),
    "behind padding and a mark for branches": ("f30f1efa9066908b81c0000000c3", Read(0xC0, 4)),
    "by the second argument": ("488b4118488902" + "33c0c3", Read(0x18, 8)),
    "behind a thunk": ("eb06cccccccccccc488b8140040000c3", Read(0x440, 8)),
}
"""Instructions as they stand in real kernels of 64 bits, and what they give."""
FORMS_32 = {
    "a load behind room for a patch": ("8bff558bec8b45088b80b40000005dc20400", Read(0xB4, 4)),
    "a load without a frame": ("8b4424048b80b4000000c20400", Read(0xB4, 4)),
    "a frame that is left": ("558bec8b45088a8070020000c9c20400", Read(0x270, 1)),
    "truth by two negations": ("8bff558bec8b45088b80bc000000f7d81bc0f7d85dc20400", Read(0xBC, 4, 0, None, True)),
}
SILENT_64 = {
    "a branch": "4885c97407488b8140040000c3",
    "a call": "e800000000488b8140040000c3",
    "a load behind a load": "488b8140040000488b4008c3",
    "another register than the argument": "488b8240040000c3",
    "the current thread and a write to it": "65488b042588010000" + "c7400400000000" + "c3",
    "a table at a fixed address, by an argument": "488d0d00100000" + "488b04d1c3",
    "an index": "488b84d140040000c3",
    "a jump out of the kernel": "e900000010",
    "a loop": "ebfe",
    "no instruction": "0606060606",
    "a write to the structure": "c7814004000000000000" + "488b8140040000c3",
    "the argument itself": "488bc1c3",
    "a number": "b801000000c3",
}


def page_of(code: bytes, size: int = 8, at: int = 0) -> Patchwork:
    """One page with code in it."""
    return Patchwork({BASE[size]: (b"\xcc" * at + code).ljust(0x1000, b"\xcc")[:0x1000]}, size)


@pytest.mark.parametrize("form", FORMS_64)
def test_a_simple_form_of_64_bits_is_understood(form: str) -> None:
    """As compilers of the kernel write them."""
    code, expected = FORMS_64[form]
    assert given_by(page_of(bytes.fromhex(code)), BASE[8], range(BASE[8], BASE[8] + 64)) == expected


@pytest.mark.parametrize("form", FORMS_32)
def test_a_simple_form_of_32_bits_is_understood(form: str) -> None:
    """With the argument on the stack."""
    code, expected = FORMS_32[form]
    assert given_by(page_of(bytes.fromhex(code), 4), BASE[4], range(BASE[4], BASE[4] + 64)) == expected


@pytest.mark.parametrize("form", SILENT_64)
def test_what_is_not_simple_says_nothing(form: str) -> None:
    """Neither an exception nor a wrong place."""
    assert given_by(page_of(bytes.fromhex(SILENT_64[form])), BASE[8], range(BASE[8], BASE[8] + 64)) is None


def test_code_that_goes_on_in_a_page_that_is_not_there_says_nothing() -> None:
    """What is there of it is not taken for the whole."""
    code = bytes.fromhex("488b8140040000")
    space = page_of(code, at=0x1000 - len(code))
    assert given_by(space, BASE[8] + 0x1000 - len(code), range(BASE[8], BASE[8] + 0x2000)) is None
    assert given_by(Patchwork({}), BASE[8], range(BASE[8], BASE[8] + 64)) is None


def test_a_hooked_function_is_told_with_where_it_leads() -> None:
    """A jump out of the kernel, at once or behind a thunk within it; a jump within it is none."""
    inside = range(BASE[8], BASE[8] + 64)
    away = bytes.fromhex("e900000010")
    thunk = bytes.fromhex("eb06") + b"\xcc" * 6
    assert outside(page_of(away), BASE[8], inside) == BASE[8] + 0x10000005
    assert outside(page_of(thunk + away), BASE[8], inside) == BASE[8] + 8 + 0x10000005
    assert outside(page_of(thunk + bytes.fromhex("488b8140040000c3")), BASE[8], inside) is None
    assert outside(page_of(bytes.fromhex("ebfe")), BASE[8], inside) is None
    assert outside(Patchwork({}), BASE[8], inside) is None


@settings(max_examples=300, deadline=None)
@given(code=st.binary(min_size=1, max_size=96), size=st.sampled_from([4, 8]))
def test_garbage_gives_a_place_within_a_structure_or_nothing(code: bytes, size: int) -> None:
    """Whatever the bytes: an answer has bits that can be, and none takes long."""
    found = given_by(page_of(code, size), BASE[size], range(BASE[size], BASE[size] + 96))
    assert found is None or 0 <= found.offset < 1 << 16
    if isinstance(found, Read) and found.bits is not None:
        assert found.bits[1] > 0


AWAY = {8: 0xFFFFF80012345678, 4: 0x8A345678}


def ways_out(size: int) -> dict[str, bytes]:
    """Instructions that are written over the first ones of a function, to send who calls it elsewhere."""
    place, target = BASE[size], AWAY[size]

    def near(behind: int) -> bytes:
        return b"\xe9" + struct.pack("<I", target - place - behind & 0xFFFFFFFF)

    low = struct.pack("<I", target & 0xFFFFFFFF)
    if size == 4:
        return {
            "a jump": near(5),
            "a jump behind room for a patch": b"\x8b\xff" + near(7),
            "a jump back into room for a patch": b"\xeb\x06" + b"\xcc" * 6 + near(13),
            "a jump through a word": b"\xff\x25" + struct.pack("<I", place + 6) + low,
            "a jump to a register": b"\xb8" + low + b"\xff\xe0",
            "a return to what was put down": b"\x68" + low + b"\xc3",
        }
    return {
        "a jump": near(5),
        "a jump behind room for a patch": b"\x66\x90" + near(7),
        "a jump back into room for a patch": b"\xeb\x06" + b"\xcc" * 6 + near(13),
        "a jump through a word": b"\xff\x25" + bytes(4) + struct.pack("<Q", target),
        "a jump to a register": b"\x48\xb8" + struct.pack("<Q", target) + b"\xff\xe0",
        "a return to what was put down": b"\x68"
        + low
        + b"\xc7\x44\x24\x04"
        + struct.pack("<I", target >> 32)
        + b"\xc3",
    }


@pytest.mark.parametrize("size", [8, 4])
@pytest.mark.parametrize("way", ways_out(8))
def test_every_way_out_of_the_image_is_told_and_gives_nothing(way: str, size: int) -> None:
    space, inside = page_of(ways_out(size)[way], size), range(BASE[size], BASE[size] + 0x1000)
    assert followed(space, BASE[size], inside) == (None, AWAY[size])
    assert followed(space, BASE[size], range(0)) == (None, BASE[size]), "an export that leads out"
