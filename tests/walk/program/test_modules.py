"""Modules and images of forged processes: what is hidden is told, what is damaged ends in reasons, nothing hangs."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import Error, RequestError
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import translate_one
from process_anatomy.notes.explainer import Explainer
from process_anatomy.notes.module_rows import image_note, module_note
from process_anatomy.walk.address_space.sections import FileHeader
from process_anatomy.walk.processes.listed import Process, processes
from process_anatomy.walk.program.images import Image as MappedImage
from process_anatomy.walk.program.images import image_bytes, images
from process_anatomy.walk.program.modules import Module, ModuleTable, modules, same_file
from process_anatomy.walk.program.portable import Pdb, PeFacts
from structs.eprocess import EPROCESS
from structs.peb import LDR_DATA_TABLE_ENTRY, PEB
from tests.generations import NEWER, OLDER, lab
from tests.walk.damaged import GARBAGE, PAGE, Editor, Frames, kernel_of, listed_truth, process_truth, spoiled, without


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 11)


class UserEditor:
    """One process's memory, ready to be overwritten by its own addresses."""

    def __init__(self, image: Image, name: str) -> None:
        self.editor = Editor(image)
        self.truth = process_truth(image, name)
        self.build = self.editor.build

    def write(self, address: int, data: bytes) -> None:
        """Overwrite bytes within one page."""
        physical, _ = translate_one(self.editor.space.memory, address, self.truth["dtb"])
        page = bytearray(self.editor.frames[physical // PAGE])
        page[physical % PAGE : physical % PAGE + len(data)] = data
        self.editor.frames[physical // PAGE] = bytes(page)

    def read(self, address: int, size: int) -> bytes:
        """What is there before the damage."""
        data = AddressSpace(self.editor.space.memory, self.truth["dtb"]).read(address, size)
        assert data is not None
        return data

    def field(self, address: int, name: str, value: int) -> None:
        """Overwrite a field of a loader's entry."""
        place = self.build[LDR_DATA_TABLE_ENTRY].place(name)
        self.write(address + place.offset, value.to_bytes(place.size, "little"))

    @property
    def frames(self) -> Frames:
        """Physical memory as it is now."""
        return self.editor.frames


def of(kernel: Kernel, pid: int) -> ModuleTable:
    """The modules of one process."""
    return modules(kernel, [row for row in processes(kernel).rows if row.pid == pid])


def by_name(rows: tuple[Module, ...]) -> dict[Any, Module]:
    """Modules by name."""
    return {row.name: row for row in rows}


def test_forged_modules_are_those_of_the_answer_key(image: Image) -> None:
    """Every module of every process, and the one that is mapped but unlinked."""
    kernel = kernel_of(image)
    table = modules(kernel, processes(kernel).rows)
    expected = {
        (p["pid"], m["base"], m["size"], m["entry"], m["name"], m["path"], m["file"], m["timestamp"])
        for p in listed_truth(image.truth)
        for m in p.get("modules", []) + p.get("modules32", [])
    }
    actual = {
        (
            row.process.pid, row.base, row.size, row.told("entry_point"), row.name, row.told("path"), row.mapped_path,
            row.told("timestamp"),
        )
        for row in table.rows
        if row.entry is not None
    }  # fmt: skip
    assert actual == expected
    hidden = {(p["pid"], m["base"], m["name"]) for p in listed_truth(image.truth) for m in p.get("unlisted", [])}
    assert {(row.process.pid, row.base, row.name) for row in table.rows if row.state == "not-listed"} == hidden
    assert len(hidden) == 1


@pytest.mark.parametrize("build", [name for name in NEWER + OLDER if name.startswith("x64")])
def test_modules_of_a_32_bit_process_say_which_loader_lists_them(build: str) -> None:
    """The program is in both loaders' lists; nothing is hidden, and headers of either flavour agree."""
    made = lab(build)
    truth = process_truth(made, "oldledger.exe")
    kernel = kernel_of(made)
    table = of(kernel, truth["pid"])
    shown = {(row.name, row.bits, row.base, row.told("path"), row.mapped_path) for row in table.rows}
    program, *native = truth["modules"]
    assert truth["modules32"][0] == program
    assert shown == {
        (m["name"], bits, m["base"], m["path"], m["file"])
        for bits, those in (("64,32", [program]), ("64", native), ("32", truth["modules32"][1:]))
        for m in those
    }
    assert [m["name"] for m in native] == ["ntdll.dll", "wow64.dll"]
    assert all(m["path"].startswith("C:\\Windows\\SysWOW64\\") for m in truth["modules32"][1:])
    assert max(m["base"] + m["size"] for m in truth["modules32"]) < 1 << 32
    assert table.problems == ()
    assert {(row.state, row.problems) for row in table.rows} == {("listed", ())}
    compared = {row.name: row.compared for row in table.rows if row.bits != "64"}
    assert compared == {"oldledger.exe": "agrees", "ntdll.dll": "agrees", "kernel32.dll": "agrees"}
    (each,) = images(kernel, [row for row in processes(kernel).rows if row.pid == truth["pid"]]).rows
    assert isinstance(each.facts, PeFacts)
    assert (each.facts.bits, each.facts.machine) == (32, "x86")
    assert (each.facts.imphash, each.facts.version) == (truth["program"]["imphash"], truth["program"]["version"])


def test_forged_programs_are_those_of_the_answer_key(image: Image) -> None:
    """PDB, imports, version strings and mitigations; without a header, nothing but the reason."""
    kernel = kernel_of(image)
    rows = {row.process.pid: row for row in images(kernel, processes(kernel).rows).rows}
    whole = [p for p in image.truth["processes"] if p.get("memory") == "all"]
    assert any(p["program"]["headless"] for p in whole)
    for process in whole:
        row, program = rows[process["pid"]], process["program"]
        assert (row.base, row.role, row.pages - row.missing) == (
            process["image_base"], "program", program["pages_in_memory"],
        )  # fmt: skip
        if program["headless"]:
            assert isinstance(row.facts, Absent)
            assert row.facts.kind is Kind.UNREADABLE
            assert row.problems
            continue
        facts = row.facts
        assert isinstance(facts, PeFacts)
        assert isinstance(facts.pdb, Pdb)
        assert (facts.pdb.path, facts.pdb.guid) == (program["pdb"], program["pdb_guid"])
        assert (facts.imphash, facts.imports, facts.version) == (
            program["imphash"], program["imports"], program["version"],
        )  # fmt: skip
        assert facts.rich == program["rich"]
        assert isinstance(row.file, FileHeader)
        assert (row.file.size, row.overlay) == (program["file_size"], program["overlay"])
        assert row.problems == ()
    assert {p["program"]["overlay"] > 0 for p in whole} == {True, False}
    assert {len(row.facts.mitigations) for row in rows.values() if isinstance(row.facts, PeFacts)} == {2, 4}


def test_a_header_that_was_changed_in_memory_differs_from_what_the_kernel_noted(image: Image) -> None:
    """DllCharacteristics in the process's memory without its bits: the kernel's note of the file still has them."""
    truth = process_truth(image, "cmd.exe")
    editor, base = UserEditor(image, "cmd.exe"), truth["image_base"]
    header = int.from_bytes(editor.read(base + 0x3C, 4), "little")
    editor.write(base + header + 0x18 + 0x46, bytes(2))
    kernel = kernel_of(image, editor.editor.frames)
    (row,) = images(kernel, [p for p in processes(kernel).rows if p.pid == truth["pid"]]).rows
    mitigations = truth["program"]["mitigations"]
    assert row.problems == (
        f"its header in memory has DllCharacteristics 0x0, its file had {mitigations:#x} when it was mapped",
    )


def test_a_dumped_image_is_as_long_as_it_says_and_zero_where_pages_are_missing(image: Image) -> None:
    """Page by page what the process's own space gives."""
    kernel = kernel_of(image)
    table = images(kernel, processes(kernel).rows)
    row = next(r for r in table.rows if r.process.pid == 5212)
    data = b"".join(image_bytes(kernel, row))
    assert isinstance(kernel.space, AddressSpace)
    assert isinstance(row.process.dtb, int)
    own = AddressSpace(kernel.space.memory, row.process.dtb)
    pages = [own.read(row.base + start, PAGE) for start in range(0, row.size, PAGE)]
    assert data == b"".join(page or bytes(PAGE) for page in pages)
    assert pages.count(None) == row.missing == row.pages - 3


def test_a_module_that_nobody_has_is_refused(image: Image) -> None:
    """By name."""
    kernel = kernel_of(image)
    with pytest.raises(RequestError, match="no module is named"):
        images(kernel, processes(kernel).rows, name="no-such.dll")


def entries(image: Image, name: str) -> dict[str, int]:
    """Name to the address of each entry of a process's lists."""
    kernel = kernel_of(image)
    rows = of(kernel, process_truth(image, name)["pid"]).rows
    return {str(row.name): row.told("address") for row in rows if row.entry is not None}


def damaged(image: Image, name: str, changes: dict[tuple[str, str], int]) -> dict[Any, Module]:
    """The modules of a process after changes of (module, field) of its loader's entries."""
    edit, where = UserEditor(image, name), entries(image, name)
    for (module, field), value in changes.items():
        edit.field(where[module], field, value)
    return by_name(of(kernel_of(image, edit.frames), edit.truth["pid"]).rows)


def test_each_contradiction_between_entry_header_and_mapping_is_told_and_nothing_else(image: Image) -> None:
    """Size, entry point, time stamp and base."""
    for field, words in (
        ("SizeOfImage", ("bytes, the header", "are mapped")),
        ("EntryPoint", ("entry point",)),
        ("TimeDateStamp", ("time stamp",)),
    ):
        rows = damaged(image, "explorer.exe", {("ntdll.dll", field): 0x1234000})
        told = "; ".join(rows.pop("ntdll.dll").problems)
        assert all(word in told for word in words)
        assert {row.problems for row in rows.values()} == {()}


def test_a_base_without_an_image_and_the_image_without_its_entry_are_both_told(image: Image) -> None:
    """One row each."""
    edit, where = UserEditor(image, "explorer.exe"), entries(image, "explorer.exe")
    edit.field(where["kernel32.dll"], "DllBase", 0x7000_0000)
    rows = of(kernel_of(image, edit.frames), edit.truth["pid"]).rows
    assert sorted((row.state, row.base == 0x7000_0000) for row in rows if row.state != "listed") == [
        ("no-image", True), ("not-listed", False),
    ]  # fmt: skip


@pytest.mark.parametrize("order", ["InLoadOrderLinks", "InMemoryOrderLinks", "InInitializationOrderLinks"])
@pytest.mark.parametrize("side", [0, 8])
@pytest.mark.parametrize("pointer", [0, 0x41414141, 0xFFFF_8000_0000_1000, "self"])
def test_a_broken_link_costs_no_module(order: str, side: int, pointer: Any, image: Image) -> None:
    """What one direction, or another list, cannot reach, the others do; the break is told."""
    edit, where = UserEditor(image, "cmd.exe"), entries(image, "cmd.exe")
    link = where["kernel32.dll"] + edit.build[LDR_DATA_TABLE_ENTRY].offset(order)
    edit.write(link + side, (link if pointer == "self" else pointer).to_bytes(8, "little"))
    table = of(kernel_of(image, edit.frames), edit.truth["pid"])
    found = [row for row in table.rows if row.vad is not None]
    assert {row.name for row in found} == {m["name"] for m in edit.truth["modules"]}
    assert table.problems or any(row.problems for row in table.rows)
    assert not any(row.state == "not-listed" for row in table.rows)


def test_an_unlinked_module_is_told_though_its_entry_is_still_in_memory(image: Image) -> None:
    """Unlinked from all three lists, as code does that hides."""
    edit, where = UserEditor(image, "explorer.exe"), entries(image, "explorer.exe")
    for order in ("InLoadOrderLinks", "InMemoryOrderLinks", "InInitializationOrderLinks"):
        link = where["kernel32.dll"] + edit.build[LDR_DATA_TABLE_ENTRY].offset(order)
        after, before = struct.unpack("<QQ", edit.read(link, 16))
        edit.write(before, after.to_bytes(8, "little"))
        edit.write(after + 8, before.to_bytes(8, "little"))
    rows = by_name(of(kernel_of(image, edit.frames), edit.truth["pid"]).rows)
    assert rows.pop("kernel32.dll").state == "not-listed"
    assert {(row.state, row.problems) for row in rows.values()} == {("listed", ())}


def test_a_peb_that_names_another_program_than_the_kernel_is_told(image: Image) -> None:
    """Both addresses get a row."""
    edit = UserEditor(image, "explorer.exe")
    place = edit.build[PEB].place("ImageBaseAddress")
    other = edit.truth["modules"][1]["base"]
    edit.write(edit.truth["peb"] + place.offset, other.to_bytes(place.size, "little"))
    kernel = kernel_of(image, edit.frames)
    rows = images(kernel, [row for row in processes(kernel).rows if row.pid == edit.truth["pid"]]).rows
    assert [(row.role, row.base) for row in rows] == [("program", edit.truth["image_base"]), ("peb-program", other)]
    assert all("the PEB says" in row.problems[0] for row in rows)


def test_a_program_in_private_memory_is_told(image: Image) -> None:
    """The kernel's base leads into a heap: nothing is mapped there."""
    editor, truth = Editor(image), process_truth(image, "explorer.exe")
    editor.set(EPROCESS, truth["eprocess"], "SectionBaseAddress", truth["heap"])
    kernel = kernel_of(image, editor.frames)
    rows = images(kernel, [row for row in processes(kernel).rows if row.pid == truth["pid"]]).rows
    assert any("no image is mapped there" in problem for problem in rows[0].problems)
    assert isinstance(rows[0].facts, Absent)


@pytest.mark.parametrize(
    ("path", "file", "bits", "same"),
    [
        ("C:\\Windows\\System32\\a.dll", "\\Windows\\System32\\A.DLL", 64, True),
        ("\\??\\C:\\Windows\\a.dll", "\\Windows\\a.dll", 64, True),
        ("\\SystemRoot\\System32\\smss.exe", "\\Windows\\System32\\smss.exe", 64, True),
        ("C:\\Windows\\System32\\a.dll", "\\Windows\\SysWOW64\\a.dll", 32, True),
        ("C:\\Windows\\System32\\a.dll", "\\Windows\\SysWOW64\\a.dll", 64, False),
        ("\\\\server\\share\\a.dll", "\\server\\share\\a.dll", 64, True),
        ("C:\\Windows\\System32\\a.dll", "\\Users\\x\\a.dll", 64, False),
    ],
)
def test_paths_of_the_loader_and_names_of_files_are_compared_as_windows_means_them(
    path: str, file: str, bits: int, same: bool
) -> None:
    """Drive, SystemRoot, WOW64 redirection, shares."""
    assert same_file(path, file, bits) is same


def everything(kernel: Kernel) -> tuple[tuple[Module, ...], tuple[MappedImage, ...]]:
    """Modules and all images, each explained."""
    listed: tuple[Process, ...] = processes(kernel).rows
    explain = Explainer("full")
    rows = modules(kernel, listed).rows
    found = images(kernel, listed).rows + images(kernel, listed, everything=True).rows
    for row in rows:
        assert explain(module_note, row, explain.library)
    for each in found:
        assert explain(image_note, each)
        assert each.missing <= each.pages <= 1 << 14
    return rows, found


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.dictionaries(st.integers(0, 1 << 16), st.sampled_from(range(len(GARBAGE))), min_size=1, max_size=12))
def test_garbage_never_breaks_a_walk_of_modules(damage: dict[int, int], image: Image) -> None:
    """Random bytes over random places: it ends, and every row can be explained."""
    frames = spoiled(image, damage)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return
    everything(kernel)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(missing=st.sets(st.integers(0, 1 << 16), min_size=1, max_size=25))
def test_missing_pages_never_give_a_wrong_fact(missing: set[int], image: Image) -> None:
    """With pages missing, each fact of an image is what the answer key says, or absent."""
    frames = without(image, missing)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return
    truth = {p["pid"]: p for p in image.truth["processes"]}
    rows, _ = everything(kernel)
    for row in rows:
        known = {m["base"]: m for m in truth[row.process.pid].get("modules", [])} if row.process.pid in truth else {}
        if row.entry is not None and isinstance(row.base, int) and row.base in known:
            fact = known[row.base]
            for name, expected in (("name", "name"), ("path", "path"), ("size", "size"), ("timestamp", "timestamp")):
                assert row.told(name) == fact[expected] or isinstance(row.told(name), Absent)
    for each in images(kernel, [p for p in processes(kernel).rows if p.pid in truth]).rows:
        program = truth[each.process.pid].get("program")
        if isinstance(each.facts, PeFacts) and program:
            for fact, name in ((each.facts.imphash, "imphash"), (each.facts.version, "version")):
                assert fact == program[name] or isinstance(fact, Absent)
