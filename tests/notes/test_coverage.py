"""Everything that output can show has its note, and every note is used."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import pytest

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Crash
from process_anatomy.memory.paging import PageState
from process_anatomy.notes import default, rows
from process_anatomy.notes.explainer import TEMPLATES, about
from process_anatomy.walk.privileges import PRIVILEGES, Privilege
from process_anatomy.walk.processes import Process
from process_anatomy.walk.sids import INTEGRITY_LEVELS
from process_anatomy.walk.token_facts import ELEVATIONS, TOKEN_FLAGS
from process_anatomy.walk.tokens import Token
from process_anatomy.walk.vads import PROTECTIONS, VAD_TYPES, Vad

PROCESS = Process(
    address=1, pid=8, ppid=4, name="a.exe", threads=1, handles=1, session=1, wow64=False, create_time=1,
    exit_time=NOT_APPLICABLE, dtb=1, peb=1, vad_root=1, token=1, protection=(0, 0), minimal=False, image_path="",
    seen_by=("forward",), problems=(),
)  # fmt: skip
VAD = Vad(
    process=PROCESS, address=1, depth=0, start=0x1000, end=0x1FFF, tag="VadS", vad_type="VadNone",
    protection="PAGE_READWRITE", commit=1, private=1, parent=0, file=NOT_APPLICABLE, enclave=False, problems=(),
)  # fmt: skip
TOKEN = Token(
    process=PROCESS, address=1, token_id=1, authentication_id=1, user="S-1-5-21-1-2-3-1001", user_name="a", account="b",
    integrity="medium", elevation="default", session=1, token_type="Primary", groups=1, present=0, enabled=0, default=0,
    flags=0, package=NOT_APPLICABLE, problems=(),
)  # fmt: skip
PLUGINS = {
    "processes": "Processes",
    "vads": "Vads",
    "tokens": "Tokens",
    "privileges": "Privileges",
    "dt": "Dt",
    "explain": "Explain",
}


def plugin(name: str) -> Any:
    """A plugin's class."""
    return getattr(importlib.import_module(f"volatility3.plugins.windows.anatomy.{name}"), PLUGINS[name])


def names(family: str) -> list[str]:
    """The ids of a family without the family's name, in order."""
    return [key.split("/", 1)[1] for key in default().ids(f"{family}/")]


@pytest.mark.parametrize("name", PLUGINS)
def test_every_column_has_its_note_and_every_column_note_its_column(name: str) -> None:
    """Same names, same order."""
    noted = [key.split("/", 2)[2] for key in default().ids(f"column/{name}/")]
    assert noted == [column.name for column in plugin(name).columns]


def test_column_notes_are_only_of_plugins_that_there_are() -> None:
    """No note is left over from a plugin that went."""
    assert {key.split("/")[1] for key in default().ids("column/")} == set(PLUGINS)


def test_every_privilege_has_its_note_with_its_value() -> None:
    """The notes' privileges are those that the walk knows, by name and number."""
    assert {note.id.split("/")[1]: value for value, note in default().by_value("privilege").items()} == {
        name: value for value, name in PRIVILEGES.items()
    }
    assert len(PRIVILEGES) >= 35


def test_every_state_of_a_privilege_has_its_note() -> None:
    """All combinations of the three attributes lead to the five notes, and to no other."""
    states = {
        Privilege(None, 2, "", present, enabled, fresh).state  # type: ignore[arg-type]
        for present in (False, True)
        for enabled in (False, True)
        for fresh in (False, True)
    }
    assert states == set(names("privilege-state"))


def test_every_protection_and_modifier_has_its_note() -> None:
    """The parts of the 32 protections are the notes of that family."""
    assert {part for name in PROTECTIONS for part in name.split("|")} == set(names("protection"))


def test_every_vad_type_has_its_note_with_its_value() -> None:
    """MI_VAD_TYPE, by value."""
    assert {value: note.id.split("/")[1] for value, note in default().by_value("vad-type").items()} == dict(
        enumerate(VAD_TYPES)
    )


def test_every_kind_of_process_row_is_reached_and_has_its_note() -> None:
    """Each way a process can be leads to its note."""
    gone = Absent(Kind.UNREADABLE)
    kinds = [
        PROCESS,
        replace(PROCESS, session=0),
        replace(PROCESS, session=NOT_APPLICABLE),
        replace(PROCESS, pid=4),
        replace(PROCESS, exit_time=1),
        replace(PROCESS, minimal=True),
        replace(PROCESS, protection=(1, 6)),
        replace(PROCESS, wow64=True),
        replace(PROCESS, pid=gone),
    ]
    chosen = {rows.process_note(process, {}, None, None)[0] for process in kinds}
    crash = Crash(process=PROCESS.address, thread=1, time=1, bugcheck=1, build=1)
    chosen.add(rows.process_note(PROCESS, {}, None, crash)[0])
    assert chosen == set(default().ids("process-row/"))


def test_every_kind_of_vad_row_is_reached_and_has_its_note() -> None:
    """Each way a VAD can be leads to its note."""
    kinds = [replace(VAD, vad_type=name, file="\\a.dll") for name in VAD_TYPES]
    kinds += [
        VAD,
        replace(VAD, protection="PAGE_EXECUTE_READ"),
        replace(VAD, enclave=True),
        replace(VAD, private=0, file="\\a.nls"),
        replace(VAD, private=0),
        replace(VAD, start=Absent(Kind.UNREADABLE)),
    ]
    assert {rows.vad_note(vad, default())[0] for vad in kinds} == set(default().ids("vad-row/"))


def test_every_kind_of_token_row_is_reached_and_has_its_note() -> None:
    """Each way a token can be leads to its note."""
    kinds = [
        TOKEN,
        replace(TOKEN, user="S-1-5-18"),
        replace(TOKEN, user="S-1-5-19"),
        replace(TOKEN, elevation="full"),
        replace(TOKEN, elevation="limited"),
        replace(TOKEN, flags=0x10),
        replace(TOKEN, flags=0x4000),
        replace(TOKEN, user=Absent(Kind.UNREADABLE)),
    ]
    assert {rows.token_note(token)[0] for token in kinds} == set(default().ids("token-row/"))


def test_every_token_flag_has_its_note_with_its_value() -> None:
    """TokenFlags, by bit."""
    assert {value: note.id.split("/")[1] for value, note in default().by_value("token-flag").items()} == TOKEN_FLAGS


def test_every_integrity_level_and_elevation_type_has_its_note() -> None:
    """By number; each family has one more for what is unknown."""
    assert {v: n.id.split("/")[1] for v, n in default().by_value("integrity").items()} == INTEGRITY_LEVELS
    assert {v: n.id.split("/")[1] for v, n in default().by_value("elevation").items()} == ELEVATIONS
    assert set(names("integrity")) - set(INTEGRITY_LEVELS.values()) == {"unknown"}
    assert set(names("elevation")) - set(ELEVATIONS.values()) == {"unknown"}


def test_every_page_state_has_its_note() -> None:
    """Both sizes of large pages share one."""
    states = {state.name.lower().replace("_", "-") for state in PageState}
    assert {"large" if state.startswith("large") else state for state in states} == set(names("page-state"))


def test_every_note_that_is_no_row_template_is_shown_by_explain() -> None:
    """`windows.anatomy.explain --about KIND` reaches them all."""
    families = {key.split("/")[0] for key in default().ids()}
    shown = {note.id for family in families - set(TEMPLATES) for note in about(family)}
    assert shown == {key for key in default().ids() if key.split("/")[0] not in TEMPLATES}
