"""Real crash dumps: tokens, impersonation and creators of machines that nobody set up for this."""

from __future__ import annotations

from pathlib import Path

import pytest

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import addresses_of
from process_anatomy.volatility import open_path
from process_anatomy.walk.across.creation import creations
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.security.privileges import PRIVILEGES
from process_anatomy.walk.security.tokens import Token, tokens
from process_anatomy.walk.threads.listed import threads
from structs.token import TOKEN

SYSTEM_LOGON, LOCAL_SERVICE_LOGON = 0x3E7, 0x3E5
"""Logon sessions with numbers that Microsoft documents."""
WITH_TOKENS = {
    "triage-x64-19041-022121-rizin.dmp": {4},
    "triage-x64-19041-100623-4953-ojusha.dmp": {4, 148},
    "triage-x64-19041-102622-12546-daimuvg.dmp": {13096, 13060},
    "triage-x64-19041-102622-15671-daimuvg.dmp": {11188, 15324, 13388},
}
LIMITED = {"Shutdown", "ChangeNotify", "Undock", "IncreaseWorkingSet", "TimeZone"}
"""Privileges of a filtered administrator, as whoami /priv lists them on every such machine."""


def opened(shared: Path, name: str) -> Kernel:
    """A real dump's kernel."""
    return open_path(shared / "real" / name)


def tokens_of(kernel: Kernel) -> dict[int, Token]:
    """Primary tokens by process id, as far as the dump holds them."""
    found = tokens(kernel, processes(kernel).rows)
    return {t.process.pid: t for t in found if isinstance(t.token_id, int) and isinstance(t.process.pid, int)}


@pytest.mark.parametrize("name", WITH_TOKENS)
@pytest.mark.proves("real")
def test_real_tokens_are_read_without_a_contradiction(name: str, shared: Path) -> None:
    """What lies in the dump makes sense: type, session, privileges; the rest is said not to be there."""
    found = tokens_of(opened(shared, name))
    assert WITH_TOKENS[name] <= found.keys()
    for token in found.values():
        assert (token.token_type, token.thread) == ("Primary", None)
        assert isinstance(token.session, int)
        assert token.session in (0, 1)
        assert isinstance(token.present, int)
        assert isinstance(token.enabled, int)
        assert token.enabled & ~token.present == 0
        assert token.present & ~sum(1 << value for value in PRIVILEGES) == 0
        assert all("not in a small dump" in problem for problem in token.problems)
        assert isinstance(token.expires, Absent)  # the day in the year 3000 that real tokens hold is no end


def test_the_documented_logon_sessions_are_those_of_system_and_of_a_local_service(shared: Path) -> None:
    system = tokens_of(opened(shared, "triage-x64-19041-022121-rizin.dmp"))[4]
    assert (system.authentication_id, system.parent_token_id) == (SYSTEM_LOGON, NOT_APPLICABLE)
    services = tokens_of(opened(shared, "triage-x64-19041-102622-15671-daimuvg.dmp"))
    assert (services[11188].authentication_id, services[15324].authentication_id) == (SYSTEM_LOGON, LOCAL_SERVICE_LOGON)


def test_users_tokens_are_filtered_ones_of_one_logon(shared: Path) -> None:
    """Two programs of one user: the five privileges of a filtered administrator, made from the same token."""
    found = tokens_of(opened(shared, "triage-x64-19041-102622-12546-daimuvg.dmp"))
    browser, helper = found[13096], found[13060]
    limited = sum(1 << value for value, name in PRIVILEGES.items() if name[2:-9] in LIMITED)
    assert browser.present == helper.present == limited
    assert browser.parent_token_id == helper.parent_token_id
    assert (browser.virtualization, browser.ui_access, helper.ui_access) == ("allowed", False, True)


def test_a_thread_impersonates_only_while_its_flag_says_so(shared: Path) -> None:
    """Both dumps keep a token in the thread; in one of them it is left over."""
    acting = opened(shared, "triage-x64-9600-111317-47781-criticalrocket.dmp")
    (thread,) = threads(acting, processes(acting).rows).rows
    assert (thread.level, thread.effective_only) == (2, False)
    assert isinstance(thread.client_token, int)
    idle = opened(shared, "triage-x64-19041-102622-15671-daimuvg.dmp")
    (thread,) = threads(idle, processes(idle).rows).rows
    assert thread.client_token == NOT_APPLICABLE


@pytest.mark.parametrize(
    ("name", "pid", "parent", "creator"),
    [
        ("triage-x64-19041-102622-12546-daimuvg.dmp", 13096, 12948, 12948),
        ("triage-x64-19041-102622-15671-daimuvg.dmp", 11188, 1120, 1120),
        ("triage-x64-19041-083125-notmyfault.dmp", 3244, 3124, 992),
    ],
)
def test_the_creator_is_the_parent_but_for_an_elevated_program(
    name: str, pid: int, parent: int, creator: int, shared: Path
) -> None:
    """An elevated program keeps the parent that asked, and names the service that made it as its creator."""
    kernel = opened(shared, name)
    rows = processes(kernel).rows
    (made,) = (row for row in creations(kernel, rows, rows, tokens(kernel, rows)) if row.process.pid == pid)
    assert (made.parent.pid, made.creator.pid) == (parent, creator)
    assert made.confidence == "low"


def test_windows_8_1_names_no_creator(shared: Path) -> None:
    kernel = opened(shared, "triage-x64-9600-111317-52015-criticalrocket.dmp")
    rows = processes(kernel).rows
    (made,) = creations(kernel, rows, rows, tokens(kernel, rows))
    assert isinstance(made.creator.pid, Absent)


@pytest.mark.parametrize("name", WITH_TOKENS)
@pytest.mark.proves("real")
def test_the_default_list_of_a_real_token_stands_behind_its_primary_group(name: str, shared: Path) -> None:
    """In one block, whose place the token keeps; the group's SID has one part or five."""
    kernel = opened(shared, name)
    places = [token.address for token in tokens_of(kernel).values() if isinstance(token.address, int)]
    records = kernel.view.records(TOKEN, addresses_of(places))
    blocks, groups, lists = (records.values(field) for field in ("DynamicPart", "PrimaryGroup", "DefaultDacl"))
    assert places
    assert blocks == groups
    assert {at - group for at, group in zip(lists, groups, strict=True)} <= {12, 28}
