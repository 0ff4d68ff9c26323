"""Whose machine it is: its name and SID, its domain, and the people who have accounts on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Service(NamedTuple):
    """What the registry says of a service: its name, its account (``None`` for a driver), command line and type."""

    name: str
    account: str | None
    image: str
    kind: int


@dataclass(frozen=True)
class Person:
    """An account of a person, and the logon by which it is there.

    Attributes:
        key: what the scenario calls the person; contexts of the person are named ``limited@KEY`` and so on.
        account: name of the account.
        authority: the machine or the domain that keeps it.
        sid: of the account.
        session: terminal session that the person works in.
        luid: logon session; of a split logon the half with fewer rights.
        full_luid: the other half of a split logon.
        logon: the SID that stands for the logon.
        managed: the account that Windows logs on for this person under Administrator Protection.
        managed_sid: its SID.
        managed_luids: two of its logon sessions.
    """

    key: str
    account: str
    authority: str
    sid: str
    session: int
    luid: int
    full_luid: int
    logon: str
    managed: str
    managed_sid: str
    managed_luids: tuple[int, int]

    @property
    def profile(self) -> str:
        """Folder of the person's profile, as it is called since Windows Vista."""
        return f"C:\\Users\\{self.account}"


@dataclass(frozen=True)
class Identity:
    """Whose machine it is.

    Attributes:
        computer: name of the machine.
        machine: SID that the SIDs of its own accounts begin with.
        domain: name of the domain that it is in, a workgroup's where it is in none.
        people: who has an account, the one at the keyboard first.
    """

    computer: str
    machine: str
    domain: str
    people: tuple[Person, ...]
