"""Notes of threads and of the Windows subsystem's entries: every kind of row and every value has its own."""

from __future__ import annotations

from dataclasses import replace

from process_anatomy.absent import Absent, Kind
from process_anatomy.notes import Level, default
from process_anatomy.notes.thread_rows import csr_gap_note, csr_note, start_key, thread_note
from process_anatomy.walk.across.starts import ALARMS, DRIVER, IMAGE, KINDS, NONE, REUSED, UNKNOWN, Start, Starts
from process_anatomy.walk.crossview.csr_processes import PROCESS_FLAGS, CsrProcess
from process_anatomy.walk.crossview.csr_proofs import FACTS as CSR_FACTS
from process_anatomy.walk.crossview.csr_roots import CsrRoot
from process_anatomy.walk.threads.facts import FACTS, STATES, WAIT_REASONS, ThreadFacts
from structs.ethread import CROSS_THREAD_FLAGS
from tests.notes.test_coverage import GONE, NO, PROCESS, THREAD, by_value, names, told

IDLE = replace(THREAD, client_token=NO)
FACTS_OF_ONE = ThreadFacts(
    IDLE, start_reused=False, win32_reused=False, flags=2, flag_names=("ThreadInserted",), name=NO, problems=(),
    **dict.fromkeys(FACTS, 0) | {"state_number": 5, "reason_number": 6, "exit_time": NO},
)  # fmt: skip
CODE = Start(0x7FF000001000, IMAGE, "\\Windows\\ntdll.dll", "PAGE_EXECUTE_WRITECOPY")
PLAIN = Starts(FACTS_OF_ONE, CODE, CODE)
ENTRY = CsrProcess(
    PROCESS, 0x1000, False, 8, 12, PROCESS, ("pid",), 1, (), seen_by=("forward", "backward"), problems=(),
    **dict.fromkeys(CSR_FACTS, 1),
)  # fmt: skip


def test_a_thread_is_told_by_the_name_that_the_program_gave_it() -> None:
    """A long one is cut off; without one there is nothing in brackets."""

    def begins(name: str | Absent) -> str:
        key, facts = thread_note(replace(PLAIN, facts=replace(FACTS_OF_ONE, name=name)), default())
        return default().explain(key, Level.BRIEF, facts).partition(" of ")[0]

    assert begins("CrRendererMain").endswith(' ("CrRendererMain")')
    assert begins("x" * 61).endswith(f' ("{"x" * 60}…")')
    assert [begins(name).count("(") for name in (NO, GONE, "")] == [0, 0, 0]


def test_every_kind_of_thread_row_is_reached_and_has_its_note() -> None:
    """In every state and with every kind of start, and those that cannot be read."""
    driver = Start(0xFFFFF80000001000, DRIVER, "\\SystemRoot\\a.sys")
    cases = [
        Starts(replace(FACTS_OF_ONE, state_number=state, reason_number=reason), CODE, replace(CODE, kind=kind))
        for state in (*range(len(STATES)), 99)
        for reason in (0, 6, 99)
        for kind in KINDS
    ]
    cases += [
        Starts(FACTS_OF_ONE, driver, driver),
        Starts(FACTS_OF_ONE, driver, Start(0, NONE)),
        Starts(FACTS_OF_ONE, replace(CODE, kind=REUSED), CODE),
        Starts(replace(FACTS_OF_ONE, state_number=2, flag_names=("Terminated",)), CODE, CODE),
        *(
            Starts(replace(FACTS_OF_ONE, thread=replace(IDLE, client_token=1, level=level)), CODE, CODE)
            for level in (1, 2, GONE)
        ),
        Starts(replace(FACTS_OF_ONE, thread=replace(IDLE, process=replace(PROCESS, wow64=True))), CODE, CODE),
        Starts(replace(FACTS_OF_ONE, state_number=GONE, start=GONE), Start(GONE, UNKNOWN), CODE),
        Starts(replace(FACTS_OF_ONE, state_number=4, exit_status=GONE, exit_time=GONE), CODE, Start(GONE, UNKNOWN)),
    ]
    assert told(thread_note(row, default()) for row in cases) == set(default().ids("thread-row/"))
    assert thread_note(PLAIN, default())[0] == "thread-row/user"


def test_every_alarm_is_told_by_a_note_of_its_own_before_anything_else() -> None:
    """A row with an alarm never reads like an ordinary one, whichever of the two addresses gave it."""
    for kind in ALARMS:
        for row in (
            Starts(FACTS_OF_ONE, replace(CODE, kind=kind), CODE),
            Starts(FACTS_OF_ONE, CODE, replace(CODE, kind=kind)),
        ):
            assert row.alarm == ALARMS[kind]
            key, facts = thread_note(row, default())
            assert key.split("/")[1] in ("private-executable", "nowhere", "no-driver", "no-image")
            assert facts["where"] == default()[f"start-kind/{start_key(kind)}"].brief


def test_every_state_reason_flag_and_kind_of_start_has_its_note() -> None:
    """By name, and by number where Windows numbers them."""
    assert by_value("thread-state") == dict(enumerate(STATES))
    assert by_value("wait-reason") == dict(enumerate(WAIT_REASONS))
    assert names("thread-flag") == list(CROSS_THREAD_FLAGS)
    assert set(names("start-kind")) == {start_key(kind) for kind in KINDS}
    assert by_value("csr-flag") == PROCESS_FLAGS


def test_every_kind_of_csr_row_is_reached_and_has_its_note() -> None:
    """Entries of processes that run, ended, hide or contradict; and a csrss.exe without a list."""
    cases = [
        ENTRY,
        replace(ENTRY, root=True),
        replace(ENTRY, process=None),
        replace(ENTRY, process=replace(PROCESS, exit_time=1)),
        replace(ENTRY, problems=("odd",)),
        replace(ENTRY, pid=GONE, process=None),
    ]
    gap = CsrRoot(PROCESS, NO, NO, NO, "", ("gone",))
    chosen = [csr_note(row, 3) for row in cases]
    chosen += [csr_gap_note(gap), csr_gap_note(replace(gap, problems=()))]
    assert told(chosen) == set(default().ids("csr-row/"))


def test_what_is_not_proved_is_no_contradiction() -> None:
    unproved = Absent(Kind.NOT_PROVED, "where Flags lies is not proved on this memory")
    row = replace(ENTRY, flags=unproved)
    assert csr_note(row, 1)[0] == "csr-row/client"
    assert row.flag_names is unproved
    assert replace(ENTRY, flags=0x1900).flag_names == "CreateNewGroup IsConsoleApp 0x1000"
    assert replace(ENTRY, flags=0).flag_names == "none"
