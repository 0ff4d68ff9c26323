"""PEBs, environments and TEBs of the lab, whole and damaged, against its answer key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent
from process_anatomy.errors import Error
from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.lab import LAB
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.notes.block_rows import peb_row, teb_note, variable_note
from process_anatomy.notes.explainer import Explainer
from process_anatomy.walk.across.regions import regions
from process_anatomy.walk.address_space.vads import vads
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.program import environments as module
from process_anatomy.walk.program.environments import Variable, environments
from process_anatomy.walk.program.pebs import FACTS, Peb, pebs
from process_anatomy.walk.threads.listed import threads
from process_anatomy.walk.threads.tebs import Teb, tebs
from structs import builds
from structs.eprocess import EPROCESS
from structs.peb import PEB, PROCESS_PARAMETERS
from structs.teb import TEB
from tests.generations import NEWER, OLDER, lab
from tests.walk.damaged import GARBAGE, PAGE, Editor, kernel_of, listed_truth, process_truth, spoiled, without

OLD_PROGRAM = 4476
"""The lab's 32-bit process."""
WOW64_BUILDS = [name for name in NEWER + OLDER if name.startswith("x64")]
Everything = tuple[list[Peb], list[Variable], list[Teb]]


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 11)


@pytest.fixture
def edit(image: Image) -> Editor:
    """The lab image, ready to be damaged."""
    return Editor(image)


def everything(kernel: Kernel) -> Everything:
    """All blocks in user space, each explained."""
    rows = processes(kernel).rows
    found = pebs(kernel, rows, rows)
    variables = list(environments(kernel, found))
    blocks = tebs(kernel, threads(kernel, rows).rows)
    explain = Explainer("full")
    assert all(explain(peb_row, row, explain.library) for row in found)
    assert all(explain(variable_note, row) for row in variables)
    assert all(explain(teb_note, row) for row in blocks)
    return found, variables, blocks


@pytest.fixture(scope="module")
def undamaged(image: Image) -> Callable[[], Everything]:
    """The blocks of the whole image (a function, so that a failing example does not print them)."""
    whole = everything(kernel_of(image))
    return lambda: whole


def peb_of(edit: Editor, image: Image, pid: int, bits: int = 64) -> Peb:
    """A process's PEB in the image as it was damaged."""
    kernel = kernel_of(image, edit.frames)
    rows = processes(kernel).rows
    return next(p for p in pebs(kernel, rows, rows) if p.process.pid == pid and p.bits == bits)


@pytest.fixture(scope="module", params=[NEWER[-2], *OLDER])
def generation(request: pytest.FixtureRequest) -> tuple[Image, Callable[[], Everything], int]:
    """The lab of each generation, its blocks, and the bits of its kernel's pointers."""
    made = lab(request.param)
    whole = everything(kernel_of(made))
    return made, lambda: whole, 8 * made.pointer_size


Generation = tuple[Image, Callable[[], Everything], int]


def test_pebs_are_those_of_the_answer_key(generation: Generation) -> None:
    """Every readable PEB says what the answer key says, and only one process is being debugged."""
    image, undamaged, bits = generation
    found = undamaged()[0]
    rows = {row.process.pid: row for row in found if row.bits == bits}
    assert [row.process.pid for row in found if row.bits != bits] == ([OLD_PROGRAM] if bits == 64 else [])
    compared = 0
    number = image.truth.get("csd_version", 0) >> 8
    pack = f"Service Pack {number}" if number else ""
    for process in listed_truth(image.truth):
        row = rows.pop(process["pid"])
        if "command_line" not in process:
            assert row.command_line is not None
            assert isinstance(row.command_line, Absent)
            continue
        compared += 1
        assert (row.address, row.root, row.bits) == (process["peb"], process["dtb"], bits)
        assert (row.image_base, row.image_path) == (process["image_base"], process["image_path"])
        assert (row.command_line, row.current_directory) == (process["command_line"], process["current_directory"])
        assert (row.window_title, row.desktop) == (process["window_title"], process["desktop"])
        assert (row.heap, row.heaps, row.ldr) == (process["heap"], tuple(process["heaps"]), process["ldr"])
        assert (row.service_pack if isinstance(row.service_pack, str) else "") == pack
        assert row.being_debugged is bool(process["debug_port"])
        assert row.nt_global_flag == (0x70 if process["debug_port"] else 0)
        assert row.problems == ()
    assert not rows
    assert compared > 10
    assert [p["name"] for p in image.truth["processes"] if p.get("debug_port")] == ["bobtool.exe"]


def test_environments_are_those_of_the_answer_key(generation: Generation) -> None:
    """Before Windows Vista nothing tells the size of a block: it ends where its empty string is."""
    image, undamaged, native = generation
    found: dict[Any, dict[Any, Any]] = {}
    for row in undamaged()[1]:
        if isinstance(row.name, str):
            found.setdefault((row.peb.process.pid, row.peb.bits), {})[row.name] = row.value
    assert found == {
        (p["pid"], bits): p[key]
        for p in listed_truth(image.truth)
        for bits, key in ((native, "environment"), (32, "environment32"))
        if key in p
    }
    if native == 64:
        assert found[OLD_PROGRAM, 64]["PROCESSOR_ARCHITECTURE"] == "AMD64"
    assert found[OLD_PROGRAM, 32]["PROCESSOR_ARCHITECTURE"] == "x86"


@pytest.mark.parametrize("build", WOW64_BUILDS)
def test_a_32_bit_peb_is_that_of_the_answer_key(build: str) -> None:
    """Named by the process object itself up to 8.1, behind a kernel structure later; x86 layouts below 4 GB."""
    made = lab(build)
    kernel, truth = kernel_of(made), process_truth(made, "oldledger.exe")
    listed = processes(kernel).rows
    assert [row.pid for row in listed if row.wow64 is True] == [OLD_PROGRAM]
    found = pebs(kernel, listed, listed)
    (row,) = [row for row in found if row.bits == 32]
    assert (row.process.pid, row.address, row.root) == (OLD_PROGRAM, truth["peb32"], truth["dtb"])
    assert (row.image_base, row.image_path) == (truth["image_base"], truth["image_path"])
    assert (row.command_line, row.current_directory) == (truth["command_line"], truth["current_directory"])
    assert (row.window_title, row.desktop) == (truth["window_title"], truth["desktop"])
    assert (row.heap, row.heaps, row.ldr) == (truth["heaps32"][0], tuple(truth["heaps32"]), truth["ldr32"])
    assert max(row.address, *row.heaps, row.ldr) < 1 << 32
    assert row.os_version == f"{made.truth['major']}.{made.truth['minor']}.{made.truth['build']}"
    assert (row.session, row.being_debugged, row.problems) == (truth["session"], False, ())
    variables = {v.name: v.value for v in environments(kernel, found) if v.peb is row}
    assert variables == truth["environment32"]


def test_tebs_are_those_of_the_answer_key(generation: Generation) -> None:
    image, undamaged, bits = generation
    rows = {row.thread.tid: row for row in undamaged()[2] if row.bits == bits}
    for process in listed_truth(image.truth):
        for thread in process["threads"]:
            row = rows[thread["tid"]]
            assert row.address == (thread["teb"] or row.address)
            if process.get("memory") == "all" and thread["exit_time"] is None:
                assert (row.process_id, row.thread_id) == (process["pid"], thread["tid"])
                assert (row.own_address, row.peb) == (thread["teb"], process["peb"])
                assert row.stack_base > row.stack_limit
                gone = "no page is mapped here"
                assert all(gone in problem for problem in row.problems), "the second page of some is not in memory"
        if process.get("memory") == "all":
            first = rows[process["threads"][0]["tid"]]
            assert (first.problems, first.last_error) == ((), 0)
            assert first.deallocation_stack < first.stack_limit


@pytest.mark.parametrize("build", WOW64_BUILDS)
def test_a_thread_of_a_32_bit_process_has_two_tebs_and_two_named_stacks(build: str) -> None:
    """WowTebOffset, or in Windows 8.1 the first word of the 64-bit TEB, leads to the other one."""
    made = lab(build)
    truth = process_truth(made, "oldledger.exe")
    kernel = kernel_of(made)
    listed = [row for row in processes(kernel).rows if row.pid == truth["pid"]]
    rows = tebs(kernel, threads(kernel, listed).rows)
    assert [(row.thread.tid, row.bits, row.address) for row in rows] == [
        (t["tid"], bits, t[name]) for t in truth["threads"] for bits, name in ((64, "teb"), (32, "teb32"))
    ]
    small = [row for row in rows if row.bits == 32]
    assert {(row.own_address == row.address, row.peb, row.problems) for row in small} == {(True, truth["peb32"], ())}
    nodes = vads(kernel, listed).rows
    for row, names in zip(nodes, regions(kernel, listed, nodes).rows, strict=True):
        held = [teb for teb in rows if row.start < teb.stack_base <= row.end + 1]
        assert ("stack" in names) is bool(held)
        assert "TEB" not in names or any(row.start <= teb.address <= row.end for teb in rows)
    assert sum("stack" in names for names in regions(kernel, listed, nodes).rows) == 2 * len(truth["threads"])


def test_the_same_address_means_something_else_in_another_process(undamaged: Callable[[], Everything]) -> None:
    """The note's point: no PEB of the lab is to be had through the tables of its neighbour."""
    seen = [row.elsewhere for row in undamaged()[0] if isinstance(row.image_base, int)]
    assert all(place is not None for place in seen)
    assert {place[1] for place in seen if place} <= {"nothing", "something else"}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("BeingDebugged", 1, "it says that a debugger is attached, the kernel's debug port is 0x0"),
        ("ImageBaseAddress", 0x10000, "it says that the program is at 0x10000, the kernel mapped it at"),
        ("SessionId", 7, "it names session 7, the kernel 1"),
        ("OSBuildNumber", 7601, "it tells the program of Windows build 7601, the kernel is 22621"),
        ("ProcessHeap", 0x20000, "the default heap at 0x20000 is not among its heaps"),
        ("NumberOfHeaps", 0xFFFFFFFF, "heaps: a list of 4294967295 heaps at"),
        ("ProcessParameters", 0xFFFF800000000000, "parameters: 0xffff800000000000 is no user address"),
        ("ProcessParameters", 0x1000, "the parameters: 0x1"),
    ],
)
def test_what_a_peb_says_otherwise_than_the_kernel_is_told(
    field: str, value: int, words: str, image: Image, edit: Editor
) -> None:
    """One line each, on that PEB."""
    victim = process_truth(image, "notepad.exe")
    edit.set(PEB, victim["peb"], field, value, victim["dtb"])
    row = peb_of(edit, image, victim["pid"])
    assert len(row.problems) == 1
    assert row.problems[0].startswith(words)


def test_a_debugger_that_hides_is_told(image: Image, edit: Editor) -> None:
    """A debug port in the kernel, and a PEB from which the mark was wiped."""
    victim = process_truth(image, "bobtool.exe")
    edit.set(PEB, victim["peb"], "BeingDebugged", 0, victim["dtb"])
    told = f"it says that no debugger is attached, the kernel's debug port is {victim['debug_port']:#x}"
    assert peb_of(edit, image, victim["pid"]).problems == (told,)


def test_a_peb_that_names_another_program_is_told(image: Image, edit: Editor) -> None:
    victim = process_truth(image, "notepad.exe")
    row = peb_of(edit, image, victim["pid"])
    assert isinstance(row.parameters, int)
    own = AddressSpace(edit.space.memory, victim["dtb"])
    place = row.parameters + edit.build[PROCESS_PARAMETERS].offset("ImagePathName")
    buffer = int.from_bytes(own.read(place + 8, 8) or b"", "little")
    path = victim["image_path"]
    edit.write(buffer + 2 * path.index("notepad"), "svchost".encode("utf-16-le"), victim["dtb"])
    assert peb_of(edit, image, victim["pid"]).problems == (
        f"the PEB names {path.replace('notepad', 'svchost')}, the kernel audited {victim['audit_name']}",
    )


@pytest.mark.parametrize(("field", "value"), [("UniqueThread", 4), ("UniqueProcess", 4), ("Self", 1), ("StackBase", 0)])
def test_what_a_teb_says_otherwise_is_told(field: str, value: int, image: Image, edit: Editor) -> None:
    victim = process_truth(image, "notepad.exe")
    thread = victim["threads"][0]
    edit.set(TEB, thread["teb"], field, value, victim["dtb"])
    kernel = kernel_of(image, edit.frames)
    rows = tebs(kernel, threads(kernel, processes(kernel).rows).rows)
    assert [row.thread.tid for row in rows if row.problems and "cannot" not in row.problems[0]].count(
        thread["tid"]
    ) == 1


def test_a_32_bit_peb_that_is_not_there_is_told(image: Image, edit: Editor) -> None:
    """Its address may be in the process object itself, as before Windows 10, but never above 4 GB."""
    victim = process_truth(image, "notepad.exe")
    address = 0x5000_0000
    edit.set(EPROCESS, victim["eprocess"], "WoW64Process", address)
    first = peb_of(edit, image, victim["pid"])
    assert (first.bits, first.process.wow64, first.problems) == (64, True, ())
    row = peb_of(edit, image, victim["pid"], 32)
    place = next(builds.nearest("x86", 22621))[PEB].offset("ImageBaseAddress")
    assert (row.address, row.problems) == (address, (f"the PEB: {address + place:#x}: no page is mapped here",))
    edit.set(EPROCESS, victim["eprocess"], "WoW64Process", address + (1 << 32))
    assert "a 32-bit PEB of process" in peb_of(edit, image, victim["pid"], 32).problems[0]


class Block:
    """An environment block in pages that may be missing."""

    def __init__(self, start: int, data: bytes, missing: set[int]) -> None:
        self.start, self.data, self.missing = start, data, missing

    def read(self, address: int, size: int) -> bytes | None:
        """Bytes of pages that are there."""
        pages = range(address // PAGE, (address + size - 1) // PAGE + 1)
        if any(page in self.missing for page in pages) or address + size > self.start + len(self.data):
            return None
        return self.data[address - self.start : address - self.start + size]

    def why(self, address: int, size: int = 1) -> str:
        """Always the same."""
        return "gone"


NAME = st.text(st.characters(exclude_characters="\0=", exclude_categories=["Cs"]), min_size=1, max_size=12)
VALUE = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3000)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    pairs=st.lists(st.tuples(NAME, VALUE), max_size=8),
    start=st.integers(0x10000, 0x10000 + PAGE - 1),
    missing=st.sets(st.integers(0x10, 0x16), max_size=3),
)
def test_variables_survive_what_is_missing_around_them(
    pairs: list[tuple[str, str]], start: int, missing: set[int]
) -> None:
    """Every string that is given is one of the block's, whole; those on pages that are there are all given."""
    texts = [f"{name}={value}" for name, value in pairs]
    data = b"".join((text + "\0").encode("utf-16-le") for text in texts) + b"\0\0"
    places, here = {}, start
    for text in texts:
        places[here] = text
        here += 2 * len((text + "\0").encode("utf-16-le")) // 2
    own: Any = Block(start, data, missing)
    found = list(module._strings(own, start, len(data), 0))
    whole = {at: text for at, text, gone in found if isinstance(text, str) and not gone}
    assert whole.items() <= places.items()
    for at, text in places.items():
        behind = at == start or not missing & {(at - 2) // PAGE, (at - 1) // PAGE}
        last = at + len((text + "\0").encode("utf-16-le")) - 1
        if behind and not missing & set(range(at // PAGE, last // PAGE + 1)):
            first_of_run = at // PAGE * PAGE == at and (at // PAGE - 1) in missing
            assert at in whole or first_of_run


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"A\0=\0b\0\0\0\0\0", [("A=b", "")]),
        (b"A\0=\0b\0", [("A=b", "the block has no end within 6 bytes")]),
        (b"A\0=\0\0\0", [("A=", ""), (None, "")]),
        (b"", []),
        (b"\0\0", []),
        (b"\0\xd8=\0\0\0\0\0", [("\ufffd=", "")]),
        (b"\x07\0\x1b\0=\0\0\0\0\0", [("\x07\x1b=", "")]),
    ],
)
def test_hostile_blocks(data: bytes, expected: list[tuple[str | None, str]]) -> None:
    """No end, lone halves of a pair, control characters: told as they are, escaped only at the edge."""
    own: Any = Block(0x10000, data, set())
    found = [
        (text if isinstance(text, str) else None, gone) for _, text, gone in module._strings(own, 0x10000, len(data), 0)
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [("=C:=C:\\x", "=C:", "C:\\x"), ("A=b=c", "A", "b=c"), ("A=", "A", ""), ("=", "=", None), ("abc", "abc", None)],
)
def test_a_name_ends_at_the_first_equals_sign_but_one_in_front(text: str, name: str, value: str | None) -> None:
    peb: Any = None
    row = module._variable(peb, 1, 1, text, "", set())
    assert row.name == name
    assert row.value == value if value is not None else isinstance(row.value, Absent)
    assert bool(row.problems) is (value is None)


def test_a_name_that_comes_twice_is_told() -> None:
    peb: Any = None
    seen: set[str] = set()
    assert module._variable(peb, 1, 1, "Path=a", "", seen).problems == ()
    assert "this name before" in module._variable(peb, 1, 1, "PATH=b", "", seen).problems[0]


def bears_out(value: Any, original: Any) -> bool:
    """Whether a fact is what it was, or absent with a reason."""
    return bool(value == original) or (isinstance(value, Absent) and bool(value.reason or isinstance(original, Absent)))


@settings(max_examples=10, deadline=None)
@given(missing=st.sets(st.integers(0, 1 << 16), min_size=1, max_size=25))
def test_missing_pages_never_give_a_wrong_value(
    missing: set[int], image: Image, undamaged: Callable[[], Everything]
) -> None:
    """With pages missing from the image, each fact is what it was, or absent with a reason."""
    frames = without(image, missing)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return  # the kernel itself could not be identified, and said so
    found, variables, blocks = everything(kernel)
    known = {(row.process.address, row.bits): row for row in undamaged()[0]}
    for row in found:
        for name in FACTS:
            assert bears_out(getattr(row, name), getattr(known[row.process.address, row.bits], name)), name
    was = {(v.peb.process.address, v.address): v for v in undamaged()[1]}
    for variable in variables:
        if isinstance(variable.name, str) and isinstance(variable.value, str):
            before = was[variable.peb.process.address, variable.address]
            assert (variable.name, variable.value) == (before.name, before.value)
    old = {(row.thread.address, row.bits): row for row in undamaged()[2]}
    for teb in blocks:
        for field in fields(Teb):
            if field.name not in ("thread", "problems", "user_start"):
                assert bears_out(getattr(teb, field.name), getattr(old[teb.thread.address, teb.bits], field.name)), (
                    field.name
                )


@settings(max_examples=10, deadline=None)
@given(damage=st.dictionaries(st.integers(0, 1 << 16), st.sampled_from(range(len(GARBAGE))), min_size=1, max_size=12))
def test_garbage_never_breaks_a_walk(damage: dict[int, int], image: Image) -> None:
    """Random bytes over random places: every walk ends and every row can be explained."""
    frames = spoiled(image, damage)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return  # the kernel itself could not be identified, and said so
    found, _, _ = everything(kernel)
    assert len(found) <= 4 * len(listed_truth(image.truth))
