"""What only kernels before Windows Vista have: privileges in an array, whom threads act for, and shared places."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import Error
from process_anatomy.forge import Image
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.paging import translate_one
from process_anatomy.notes.explainer import Explainer
from process_anatomy.notes.security_rows import privilege_note, token_note
from process_anatomy.walk.across.creation import creations
from process_anatomy.walk.across.starts import MESSAGE, REUSED
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.program.environments import environments
from process_anatomy.walk.program.loader import loader_entries
from process_anatomy.walk.program.pebs import pebs
from process_anatomy.walk.registry.hives import hives
from process_anatomy.walk.security.contexts import Security
from process_anatomy.walk.security.groups import groups
from process_anatomy.walk.security.privileges import Privilege, privileges
from process_anatomy.walk.security.token_facts import category_text
from process_anatomy.walk.security.tokens import Token, tokens
from process_anatomy.walk.threads.facts import thread_facts
from process_anatomy.walk.threads.listed import Thread, threads
from process_anatomy.walk.threads.tebs import tebs
from structs.ethread import ETHREAD, PS_IMPERSONATION_INFORMATION
from structs.token import LUID_AND_ATTRIBUTES, TOKEN
from tests.generations import lab
from tests.walk.damaged import GARBAGE, PAGE, Editor, kernel_of, process_truth, spoiled, without

XP = "x86-2600-5512"


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab as XP SP3 would have it."""
    return lab(XP)


@pytest.fixture
def edit(image: Image) -> Editor:
    """That lab, ready to be damaged."""
    return Editor(image)


def security_of(kernel: Kernel) -> Security:
    """The security contexts of an image; each row is explained."""
    rows, found = processes(kernel).rows, Tables(kernel).security
    explain = Explainer("full")
    assert all(explain(token_note, token) for token in found.tokens)
    held = [row for row in privileges(list(found.tokens)) if isinstance(row, Privilege)]
    assert all(explain(privilege_note, row, explain.library) for row in held)
    assert all(row is not None for row in groups(found.tokens, found.claims))
    assert len(list(creations(kernel, rows, rows, found.everyone))) == len(rows)
    return found


def token_of(image: Image, edit: Editor, name: str) -> Token:
    """The primary token of a process in the damaged image."""
    kernel = kernel_of(image, edit.frames)
    wanted = process_truth(image, name)["pid"]
    return tokens(kernel, [row for row in processes(kernel).rows if row.pid == wanted])[0]


def array_of(image: Image, edit: Editor, name: str) -> tuple[int, int, int]:
    """Address of a token, of its array of privileges, and the bytes of one entry."""
    token = process_truth(image, name)["token"]["va"]
    return token, token + edit.build[TOKEN].sizeof, edit.build[LUID_AND_ATTRIBUTES].sizeof


def test_only_what_the_array_holds_is_told(image: Image, edit: Editor) -> None:
    """No row for a privilege that the token has not: nothing in it says so."""
    token = token_of(image, edit, "explorer.exe")
    rows = list(privileges([token]))
    names = process_truth(image, "explorer.exe")["token"]["privilege_names"]
    assert {row.name: row.attributes.lower() for row in rows if isinstance(row, Privilege)} == names
    assert len(rows) == len(names)


@pytest.mark.parametrize(
    ("entry", "field", "value", "problem"),
    [
        (1, "Luid", 64, "there is no privilege 0x40"),
        (1, "Luid", 0xFFFF_FFFF_FFFF_FFFF, "there is no privilege 0xffffffffffffffff"),
        (0, "Luid", "second", "is in its array twice"),
        (1, "Attributes", 0x4, "is in its array, but marked as removed"),
        (1, "Attributes", 0x108, "has attributes 0x108, which no privilege has"),
    ],
)
def test_an_entry_that_no_privilege_has_is_told_and_costs_no_other(
    entry: int, field: str, value: Any, problem: str, image: Image, edit: Editor
) -> None:
    _, array, size = array_of(image, edit, "explorer.exe")
    before = token_of(image, edit, "explorer.exe")
    assert isinstance(before.present, int)
    numbers = [number for number in range(64) if before.present >> number & 1]
    edit.set(LUID_AND_ATTRIBUTES, array + entry * size, field, numbers[1] if value == "second" else value)
    token = token_of(image, edit, "explorer.exe")
    assert [line for line in token.problems if problem in line] != []
    assert isinstance(token.present, int)
    lost = 1 << numbers[entry] if field == "Luid" else 0
    assert token.present == before.present & ~lost
    assert list(privileges([token]))[-1] is token


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("PrivilegeCount", 0x4141, "an array of 16705 privileges"),
        ("Privileges", 0, "privileges without an address"),
        ("Privileges", 0xFFC0_0000, "0xffc00000"),
    ],
)
def test_an_array_that_is_not_there_is_absent_with_the_reason(
    field: str, value: int, reason: str, image: Image, edit: Editor
) -> None:
    token, _, _ = array_of(image, edit, "explorer.exe")
    edit.set(TOKEN, token, field, value)
    row = token_of(image, edit, "explorer.exe")
    assert isinstance(row.present, Absent)
    assert reason in str(row.present)
    assert any(reason in problem or problem.startswith("present, enabled") for problem in row.problems)
    assert row.user == process_truth(image, "explorer.exe")["token"]["user"]
    assert list(privileges([row])) == [row]


def test_what_lies_on_a_missing_page_is_told_beside_the_rest(image: Image, edit: Editor) -> None:
    """An array that goes on behind the end of what is there."""
    token, array, size = array_of(image, edit, "explorer.exe")
    before = token_of(image, edit, "explorer.exe").present
    count = len(process_truth(image, "explorer.exe")["token"]["privilege_names"])
    lost = (token + PAGE) // PAGE * PAGE  # the array is moved to where the next page begins
    first = edit.space.read(array, 2 * size)
    assert first is not None
    edit.set(TOKEN, token, "Privileges", lost - 2 * size)
    edit.write(lost - 2 * size, first)
    physical, _ = translate_one(edit.space.memory, lost, edit.space.root, edit.space.mode)
    edit.frames.pop(physical // PAGE)
    row = token_of(image, edit, "explorer.exe")
    assert isinstance(row.present, int)
    assert isinstance(before, int)
    assert (row.present.bit_count(), row.present & ~before) == (2, 0)
    assert row.privilege_problems[0].startswith(f"privilege number 3 of {count}: {lost:#x}")
    assert set(row.privilege_problems) <= set(row.problems)


def acting(image: Image) -> tuple[dict[str, Any], dict[str, Any]]:
    """A process of the answer key with a thread that acts for a client, and the thread."""
    for process in image.truth["processes"]:
        for thread in process["threads"]:
            if thread["impersonation_token"] and process["in_active_list"]:
                return process, thread
    raise AssertionError


def thread_of(image: Image, edit: Editor, ethread: int) -> Thread:
    """A thread in the damaged image."""
    kernel = kernel_of(image, edit.frames)
    return next(row for row in threads(kernel, processes(kernel).rows).rows if row.address == ethread)


def test_whom_a_thread_acts_for_is_told_by_what_it_leads_to(image: Image, edit: Editor) -> None:
    _, thread = acting(image)
    row = thread_of(image, edit, thread["ethread"])
    assert (row.client_token, row.level) == (thread["impersonation_token"]["va"], thread["impersonation_level"])
    assert (row.effective_only, row.problems) == (thread["effective_only"], ())


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("pointer", 0, "0x0 does not lead to whom it acts for"),
        ("pointer", 0x1000, "0x1000 does not lead to whom it acts for"),
        ("pointer", 0xFFC0_0000, "0xffc00000"),
        ("Token", 0x1234, "0x1234 is no address of a token"),
        ("ImpersonationLevel", 9, "no impersonation level is 0x9"),
    ],
)
def test_a_client_that_cannot_be_is_told(field: str, value: int, problem: str, image: Image, edit: Editor) -> None:
    _, thread = acting(image)
    if field == "pointer":
        edit.set(ETHREAD, thread["ethread"], "ImpersonationInfo", value)
    else:
        edit.set(PS_IMPERSONATION_INFORMATION, thread["impersonation_data"], field, value)
    row = thread_of(image, edit, thread["ethread"])
    assert any(problem in line for line in row.problems)
    assert isinstance(row.level, Absent)
    security_of(kernel_of(image, edit.frames))


def test_faults_that_are_counted_in_the_time_of_creation_do_not_change_it(image: Image, edit: Editor) -> None:
    """NestedFaultCount and ApcNeeded, the lowest three bits."""
    _, thread = acting(image)
    place = edit.build[ETHREAD].place("CreateTime")
    assert (place.bit, place.bits) == (3, 61)
    before = facts_of(kernel_of(image), thread["ethread"]).create_time
    first = edit.space.read(thread["ethread"] + place.offset, 1)
    assert first is not None
    edit.write(thread["ethread"] + place.offset, bytes([first[0] | 7]))
    assert facts_of(kernel_of(image, edit.frames), thread["ethread"]).create_time == before


def facts_of(kernel: Kernel, ethread: int) -> Any:
    """The facts of a thread."""
    table = threads(kernel, processes(kernel).rows)
    return next(row for row in thread_facts(kernel, table) if row.thread.address == ethread)


def test_a_message_number_in_the_place_of_a_start_is_no_alarm(image: Image, edit: Editor) -> None:
    process, thread = acting(image)
    edit.set(ETHREAD, thread["ethread"], "Win32StartAddress", 0x2B5)
    place = edit.build[ETHREAD].place("LpcReceivedMsgIdValid")
    edit.write(thread["ethread"] + place.offset, b"\1")
    kernel = kernel_of(image, edit.frames)
    rows = Tables(kernel, frozenset({process["pid"]})).starts
    row = next(row for row in rows if row.facts.thread.address == thread["ethread"])
    assert (row.win32.kind, row.win32.reason, row.win32.address) == (REUSED, MESSAGE, 0x2B5)
    assert isinstance(row.alarm, Absent)


def test_audit_policies_are_told_by_category() -> None:
    """Four bits each, lowest first; the highest bit that is used says only that one is set."""
    assert category_text(0) == category_text(1 << 36) == "none"
    told = category_text(0x1 | 0xF << 32 | 1 << 36)
    assert told == (
        "System: success include; AccountLogon: success include and success exclude and failure include"
        " and failure exclude"
    )


def test_facts_that_came_later_are_not_in_the_build_and_no_problem(image: Image) -> None:
    rows = security_of(kernel_of(image)).tokens
    for row in rows:
        for fact in (row.integrity, row.elevation, row.account, row.virtualization, row.ui_access, row.package):
            assert isinstance(fact, Absent)
            assert fact.kind is Kind.NOT_IN_BUILD
        assert row.problems == ()


def everything(kernel: Kernel) -> Security:
    """Every walk over what an image holds of processes' security, blocks and threads."""
    rows = processes(kernel).rows
    table = threads(kernel, rows)
    found = pebs(kernel, rows, rows)
    list(environments(kernel, found))
    loader_entries(kernel, rows)
    tebs(kernel, table.rows)
    hives(kernel, rows)
    thread_facts(kernel, table)
    return security_of(kernel)


SLOW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(damage=st.dictionaries(st.integers(0, 1 << 16), st.sampled_from(range(len(GARBAGE))), min_size=1, max_size=12))
def test_garbage_never_breaks_a_walk(damage: dict[int, int], image: Image) -> None:
    try:
        kernel = kernel_of(image, spoiled(image, damage))
    except Error:
        return  # the kernel itself could not be identified, and said so
    everything(kernel)


@SLOW
@given(missing=st.sets(st.integers(0, 1 << 16), min_size=1, max_size=40))
def test_missing_pages_never_give_a_wrong_privilege(missing: set[int], image: Image) -> None:
    """What is said of a privilege is what the answer key says, or nothing."""
    try:
        kernel = kernel_of(image, without(image, missing))
    except Error:
        return
    truth = {p["pid"]: p["token"]["privilege_names"] for p in image.truth["processes"]}
    for row in privileges(list(everything(kernel).everyone)):
        if isinstance(row, Privilege):
            assert isinstance(row.token.process.pid, int)
            assert truth[row.token.process.pid][row.name] == row.attributes.lower()
