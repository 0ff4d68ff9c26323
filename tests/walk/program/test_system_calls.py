"""Functions of ntdll.dll that one process changed for itself are told, and no hook of a product is taken for it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.absent import Absent
from process_anatomy.findings.memory import blinded_loader
from process_anatomy.forge import INTRUSION, Image, forge
from process_anatomy.forge.pe.system_calls import SERVICES, place_of, stub
from process_anatomy.memory.paging import translate_one
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.program.system_calls import ChangedCall, looks_like_call
from tests.walk.damaged import PAGE, Editor, kernel_of

EMPTIED, EXPLORER = 5080, 3920
QUERY, PATCH = "ZwQueryVirtualMemory", "NtManageHotPatch"
STATUS_NOT_SUPPORTED = 0xC00000BB


@pytest.fixture(scope="module")
def image() -> Image:
    return forge(INTRUSION, build="x64-26100-1742")


@pytest.fixture(scope="module")
def tables(image: Image) -> Tables:
    return Tables(kernel_of(image))


def truth_of(image: Image, pid: int) -> dict[str, Any]:
    return next(p for p in image.truth["processes"] if p["pid"] == pid)


def base_of(image: Image, name: str) -> int:
    vads = truth_of(image, EMPTIED)["vads"]
    return int(next(v["start"] for v in vads if v["file"] and v["file"].endswith(name)))


def place(image: Image, service: str) -> int:
    return base_of(image, "ntdll.dll") + place_of(service)


def put(image: Image, service: str, code: bytes) -> Editor:
    """An image in which the emptied program has this code in one function, and what all others have in the other."""
    editor, root = Editor(image), truth_of(image, EMPTIED)["dtb"]
    for each in ("QueryVirtualMemory", "ManageHotPatch"):
        whole = stub(SERVICES[each])
        editor.write(place(image, each), (code + whole[len(code) :]) if each == service else whole, root)
    return editor


def calls(image: Image, editor: Editor) -> list[ChangedCall]:
    return Tables(kernel_of(image, editor.frames)).changed_calls


def jump(start: int, target: int) -> bytes:
    return b"\xe9" + (target - start - 5 & 0xFFFFFFFF).to_bytes(4, "little")


@pytest.mark.proves("forged", "x64-26100")
def test_the_functions_that_a_loader_blinded_are_told_of_its_process_alone(image: Image, tables: Tables) -> None:
    """What each was, is and does; other processes share the page."""
    found = {each.function: each for each in tables.changed_calls}
    assert {each.process.pid for each in tables.changed_calls} == {EMPTIED}
    assert {*found} == {QUERY, PATCH}
    assert found[PATCH].answers == STATUS_NOT_SUPPORTED
    assert found[PATCH].shared == stub(SERVICES["ManageHotPatch"])[:24]
    assert found[QUERY].address == place(image, "QueryVirtualMemory")
    answer = next(v for v in truth_of(image, EMPTIED)["vads"] if v["note"] == "answers for the kernel")
    assert found[QUERY].target == answer["start"]
    assert found[QUERY].into is not None
    assert found[QUERY].into.address == answer["node"]
    assert not any(each.hooked for each in found.values())


def test_a_copy_of_the_page_with_the_same_functions_is_not_told(image: Image) -> None:
    """A breakpoint elsewhere in the page makes a copy as well."""
    assert calls(image, put(image, "", b"")) == []


def test_another_service_is_told(image: Image) -> None:
    """It asks the kernel, but not for what its name says."""
    found = calls(image, put(image, "ManageHotPatch", stub(0x23)[:8]))
    assert [(each.function, each.answers, each.target) for each in found] == [(PATCH, None, None)]


def test_without_the_shared_page_only_what_is_no_system_call_is_told(image: Image) -> None:
    """The frame that all others share is gone: another number is not known to be another, an answer is no question."""
    shared, _ = translate_one(
        Editor(image).space.memory, place(image, "ManageHotPatch"), truth_of(image, EXPLORER)["dtb"]
    )
    for code, told in ((stub(0x23)[:8], []), (bytes.fromhex("b8bb0000c0c3"), [PATCH])):
        editor = put(image, "ManageHotPatch", code)
        del editor.frames[shared // PAGE]
        found = calls(image, editor)
        assert [each.function for each in found] == told
        assert all(isinstance(each.shared, Absent) for each in found)


@pytest.mark.parametrize("relayed", [False, True])
def test_a_hook_that_leads_into_a_library_is_no_loaders_work(image: Image, relayed: bool) -> None:
    """At once, or by way of a little memory of its own, as hooking libraries make it."""
    target, at = base_of(image, "kernel32.dll") + 0x1000, place(image, "QueryVirtualMemory")
    relay = next(v["start"] for v in truth_of(image, EMPTIED)["vads"] if v["note"] == "answers for the kernel")
    code = bytes.fromhex("48b8") + (relay if relayed else target).to_bytes(8, "little") + bytes.fromhex("ffe0")
    editor = put(image, "QueryVirtualMemory", code)
    if relayed:
        far = bytes.fromhex("ff2500000000") + target.to_bytes(8, "little")
        editor.write(relay, far, truth_of(image, EMPTIED)["dtb"])
    found = calls(image, editor)
    assert [(each.function, each.address, each.target, each.hooked) for each in found] == [(QUERY, at, target, True)]
    assert list(blinded_loader(Tables(kernel_of(image, editor.frames)))) == []


def test_what_half_of_all_processes_have_is_a_products_hook(tables: Tables) -> None:
    """The same in many processes is told of none; an answer without the kernel is told of each."""
    leads = next(each for each in tables.changed_calls if each.function == QUERY)
    answers = next(each for each in tables.changed_calls if each.function == PATCH)
    rows = [row for row in tables.pages.rows if row.vad is not None and row.vad.address == leads.vad.address] * 8

    def told(*found: ChangedCall) -> int:
        judged: Any = SimpleNamespace(changed_calls=found, pages=SimpleNamespace(rows=rows))
        return len(list(blinded_loader(judged)))

    assert told(*[leads] * 4) == 0
    assert told(*[leads] * 3) == 3
    assert told(*[answers] * 8) == 8
    assert told(replace(leads, into=None)) == 1


@given(st.integers(0, 0xFFFF), st.integers(0, 24))
def test_the_code_of_every_service_looks_like_a_system_call(number: int, size: int) -> None:
    assert looks_like_call(stub(number)[:size])


@given(st.binary(min_size=12, max_size=24).filter(lambda code: not code.startswith(b"\x4c\x8b\xd1\xb8")))
def test_other_code_does_not(code: bytes) -> None:
    assert not looks_like_call(code)
    assert not looks_like_call(stub(1)[:8] + code)
