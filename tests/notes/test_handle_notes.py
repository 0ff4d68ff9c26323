"""Every kind of handle and of access leads to its note, and every right has one."""

from __future__ import annotations

from dataclasses import replace

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.handle_entries import AUDIT, INHERIT, PROTECT
from process_anatomy.notes import Level, default
from process_anatomy.notes.explainer import Explainer
from process_anatomy.notes.handle_rows import KINDS, handle_note, step_note, way_note
from process_anatomy.walk.across.access import POWERS, READING, Side, Step, Way
from process_anatomy.walk.handles.opened import Handle
from process_anatomy.walk.handles.rights import all_rights, rights_text
from process_anatomy.walk.handles.targets import NO_TARGET, Target
from process_anatomy.walk.processes.listed import Process
from tests.notes.test_coverage import PROCESS, by_value, names, told

GONE = Absent(Kind.UNREADABLE, "0x10: not mapped")
HANDLE = Handle(PROCESS, 4, 1, 2, 1, "Event", 0x1F0003, 0, Target("LabReady", "\\LabReady"), ())


def test_every_kind_of_handle_row_is_reached_and_has_its_note() -> None:
    """By type, by name, and by what could not be had; with every attribute."""
    kinds = [HANDLE._replace(type=name) for name in KINDS]
    kinds += [HANDLE._replace(type=name, target=NO_TARGET) for name in [*KINDS, "Event"]]
    kinds += [
        HANDLE,
        HANDLE._replace(type=GONE, target=NO_TARGET),
        HANDLE._replace(type="Process", object=PROCESS.address),
        HANDLE._replace(attributes=PROTECT | INHERIT | AUDIT),
        HANDLE._replace(access=0),
    ]
    assert told(map(handle_note, kinds)) == set(default().ids("handle-row/"))


def test_a_token_is_told_with_the_processes_that_run_under_it() -> None:
    """Its own, others by name, and how many more; a token that is no process's primary one has none."""
    token = HANDLE._replace(type="Token", target=Target(NOT_APPLICABLE, "primary token of a"))
    others = [replace(PROCESS, address=0x2000 + n, pid=100 + n, name=f"p{n}.exe") for n in range(5)]

    def said(*owners: Process) -> str:
        key, facts = handle_note(token, owners)
        return default().explain(key, Level.BRIEF, facts).partition(" keeps the ")[2].partition(" as handle ")[0]

    assert said() == "primary token of a"
    assert said(PROCESS) == "primary token of a, its own,"
    assert said(others[0]) == "primary token of a, that of p0.exe (100),"
    assert said(PROCESS, *others[:2]) == "primary token of a, its own and that of p0.exe (100) and p1.exe (101),"
    assert said(*others) == "primary token of a, that of p0.exe (100), p1.exe (101), p2.exe (102) and 2 more,"


def test_every_kind_of_access_is_reached_and_has_its_note() -> None:
    """Each type of object that gives power, upwards or not, and ways of one step and of more."""
    low = Side(PROCESS, "a.exe (8)", "S-1-5-18", "Local System", "low")
    high = Side(None, "b.exe (12)", GONE, NOT_APPLICABLE, "high")
    steps = [Step(HANDLE._replace(type=name), low, low, ("POWER",), ()) for name in POWERS]
    steps.append(Step(HANDLE._replace(type="Process"), low, high, ("POWER",), ()))
    steps.append(Step(HANDLE._replace(type="Process"), low, high, (READING,), ()))
    ways = [Way((steps[-1],)), Way((steps[0], steps[-1]))]
    found = told(map(step_note, steps)) | told(map(way_note, ways))
    assert found == set(default().ids("access-row/"))
    off = Explainer("off")
    assert (off(handle_note, HANDLE), off(step_note, steps[0]), off(way_note, ways[0])) == (None, None, None)
    brief = Explainer("brief")
    assert all((brief(handle_note, HANDLE), brief(step_note, steps[0]), brief(way_note, ways[0])))


def test_every_right_has_its_note_with_its_value() -> None:
    """The notes are the rights that the walk can name."""
    known = {
        name: value for rights in all_rights().values() for value, name in [*rights.bits.items(), *rights.whole.items()]
    }
    assert {name: default()[f"object-right/{name}"].value for name in names("object-right")} == known
    assert set(by_value("object-right").values()) <= set(known)


def test_access_masks_are_told_by_the_rights_of_their_type() -> None:
    """The same bits mean something else for another type; what has no name is told as a number."""
    assert rights_text("Process", 0x1FFFFF) == "PROCESS_ALL_ACCESS"
    assert rights_text("Process", 0x1F0FFF) == "PROCESS_ALL_ACCESS"  # before Windows Vista
    assert rights_text("Thread", 0x1F03FF) == "THREAD_ALL_ACCESS"
    assert rights_text("Port", 0x1F0001) == rights_text("ALPC Port", 0x1F0001) == "PORT_ALL_ACCESS"
    assert rights_text("Process", 0x1C) == "PROCESS_SET_SESSIONID,PROCESS_VM_OPERATION,PROCESS_VM_READ"
    assert rights_text("Thread", 0x10) == "THREAD_SET_CONTEXT"
    assert rights_text("File", 0x120089) == "FILE_GENERIC_READ"
    assert rights_text("Key", 0x20019) == "KEY_READ"
    assert rights_text("Event", 0x100000) == "SYNCHRONIZE"
    assert rights_text("NewType", 0x100003) == "SYNCHRONIZE,0x3"
    assert rights_text("Event", 0) == ""
