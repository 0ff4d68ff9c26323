"""Elevation under Administrator Protection is told as what it is, and no impostor with a borrowed name is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from process_anatomy.absent import Absent, Kind
from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.clean import ADMINISTRATOR_PROTECTION, EXPLORER, LAUNCHER, SCHEDULES
from process_anatomy.views.image import Image as OpenedImage
from process_anatomy.walk.across.administrator_protection import contradictions
from process_anatomy.walk.across.creation import Creation
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.security.managed import FIRST_BUILD, managed, named_so
from structs.eprocess import EPROCESS
from structs.token import TOKEN
from tests.walk.damaged import Editor, kernel_of

BUILD = "x64-26100-1742"
ELEVATED, CHILD, AGAIN, PLAIN = 5000, 5040, 5080, 5124
GONE = Absent(Kind.UNREADABLE, "gone")


@pytest.fixture(scope="module")
def image() -> Image:
    return forge(ADMINISTRATOR_PROTECTION, build=BUILD)


@pytest.fixture(scope="module")
def tables(image: Image) -> Tables:
    return Tables(kernel_of(image))


def of(tables: Tables, pid: int) -> Creation:
    return next(row for row in tables.creations if row.process.pid == pid)


def signs(tables: Tables, number: int = FIRST_BUILD, **changed: Any) -> list[str]:
    """What speaks against it, with some of the facts otherwise."""
    row = of(tables, ELEVATED)
    assert row.parent_token is not None
    assert row.creator.process is not None
    facts: dict[str, Any] = {
        "token": row.token, "above": row.parent_token, "maker": tables.primary[row.creator.process.address],
        "creator": row.creator, "parent": row.parent,
    }  # fmt: skip
    return list(contradictions(**(facts | changed), number=number))


@pytest.mark.proves("forged", "x64-26100")
def test_elevation_by_another_account_is_told_as_administrator_protection(tables: Tables) -> None:
    """Each elevation has a logon of its own; a child of an elevated program has its parent's token, and no more."""
    told = {pid: (of(tables, pid).method, of(tables, pid).confidence) for pid in (ELEVATED, AGAIN, CHILD, PLAIN)}
    assert told == {
        ELEVATED: ("administrator-protection", "high"),
        AGAIN: ("administrator-protection", "high"),
        CHILD: ("create-process", "high"),
        PLAIN: ("create-process", "high"),
    }
    one, two = of(tables, ELEVATED), of(tables, AGAIN)
    assert one.token.user == two.token.user
    assert one.token.authentication_id != two.token.authentication_id
    assert not any("chosen" in line or "creator could give" in line for line in (*one.problems, *two.problems))


def test_the_words_of_tokens_and_groups_know_it(image: Image) -> None:
    view = OpenedImage(kernel_of(image))
    (token,) = view.view("tokens", pid=ELEVATED)
    assert "Administrator Protection" in str(token["Explanation"])
    user = next(iter(view.view("groups", pid=ELEVATED)))
    assert "Administrator Protection" in str(user["Explanation"])
    (made,) = view.view("creation", pid=ELEVATED)
    assert "Administrator Protection" in str(made["Explanation"])
    (plain,) = view.view("tokens", pid=PLAIN)
    assert "Administrator Protection" not in str(plain["Explanation"])


def test_each_sign_alone_speaks_against_it(tables: Tables) -> None:
    """One thing otherwise, and it is no elevation of that kind."""
    row = of(tables, ELEVATED)
    token, above, parent, creator = row.token, row.parent_token, row.parent, row.creator
    assert above is not None
    assert creator.process is not None
    system = tables.primary[creator.process.address]
    assert signs(tables) == []
    otherwise: list[dict[str, Any]] = [
        {"number": FIRST_BUILD - 1},
        {"token": replace(token, integrity="medium")},
        {"token": replace(token, linked_session=0x2A1C4)},
        {"token": replace(token, elevation="limited")},
        {"token": replace(token, origin=above.authentication_id)},
        {"token": replace(token, user="S-1-5-18")},
        {"token": replace(token, user="S-1-5-21-1-2-3-1004")},
        {"token": replace(token, user=GONE)},
        {"token": replace(token, sids=((token.user, 0), ("S-1-5-32-544", 0x10)))},
        {"token": replace(token, authentication_id=above.authentication_id)},
        {"token": replace(token, session=2)},
        {"above": replace(above, integrity="high")},
        {"above": replace(above, user="S-1-5-18")},
        {"above": replace(above, user=token.user)},
        {"creator": parent},
        {"creator": replace(creator, process=None), "maker": None},
        {"creator": replace(creator, process=replace(creator.process, name="evil.exe"))},
        {"creator": replace(creator, process=replace(creator.process, session=1))},
        {"maker": replace(system, user=above.user)},
    ]
    assert [changed for changed in otherwise if not signs(tables, **changed)] == []


def test_what_cannot_be_read_speaks_neither_way_but_makes_it_less_sure(image: Image, tables: Tables) -> None:
    """Without its logon session the name is gone, and with it the judgement; other facts may be missing."""
    row = of(tables, ELEVATED)
    for fact in ("integrity", "origin", "sids", "linked_session", "session"):
        assert signs(tables, token=replace(row.token, **{fact: GONE})) == []
    assert managed(row.token, FIRST_BUILD)
    assert not managed(replace(row.token, origin=GONE), FIRST_BUILD)
    assert not named_so(replace(row.token, account=GONE))
    assert not named_so(replace(row.token, account="LABWIN11\\ADMIN_of the day"))
    assert not named_so(replace(row.token, account="LABWIN11\\administrator"))


@pytest.mark.parametrize(
    ("field", "asker"), [("OwnerProcessId", EXPLORER), ("OwnerProcessId", PLAIN), ("OriginatingLogonSession", 0)]
)
def test_an_impostor_in_memory_is_another_user_and_says_why(
    image: Image, tables: Tables, field: str, asker: int
) -> None:
    """An account with such a name whose process the shell or a program made, or whose logon a person asked for."""
    editor = Editor(image)
    truth = next(p for p in image.truth["processes"] if p["pid"] == ELEVATED)
    if asker:
        editor.set(EPROCESS, truth["eprocess"], field, asker)
    else:
        limited = next(p for p in image.truth["processes"] if p["pid"] == EXPLORER)["token"]
        address = of(tables, ELEVATED).token.address
        assert isinstance(address, int)
        editor.set(TOKEN, address, field, limited["authentication_id"])
    row = of(Tables(kernel_of(image, editor.frames)), ELEVATED)
    assert row.method in ("as-user", "with-logon")
    assert any("named as those of Administrator Protection, but" in line for line in row.evidence)


def test_before_it_came_such_a_name_means_nothing() -> None:
    """The same cast on 23H2: another user, by a service that may hand tokens in."""
    tables = Tables(kernel_of(forge(ADMINISTRATOR_PROTECTION, build="x64-22621-382")))
    assert of(tables, ELEVATED).method == "as-user"
    assert {LAUNCHER, SCHEDULES} <= {p.pid for p in tables.processes}
