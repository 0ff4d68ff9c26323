"""What Windows' own processes are expected to be: the data of ``processes.toml``, checked and joined with processes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from process_anatomy.absent import Absent
from process_anatomy.findings.places import read_toml
from process_anatomy.walk.processes.listed import PROTECTED_SIGNERS, PROTECTED_TYPES, Process

NEWEST = sys.maxsize
"""A build number that no older build's expectations are for."""
SHORT_NAME = 14
"""Characters of a name that the kernel keeps for certain."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What one of Windows' own processes is expected to be; ``None`` is not judged.

    Attributes:
        name: of its program, in lower case.
        path: places of its program, from the root of a volume; empty where it runs no file.
        parents: names of the processes that start it.
        known: table of :mod:`process_anatomy.findings.known` with others that start it as well.
        session: ``none``, ``zero`` or ``user``.
        users: SIDs; one that ends with ``*`` stands for any ending.
        unique: ``system`` or ``session``: there is one in each.
        code: whether it may make code while it runs.
        protection: (type, signer) that it has at least.
        since: the first build with that protection.
        first: the first build that all of this is true of.
    """

    name: str
    path: tuple[str, ...] | None = None
    parents: tuple[str, ...] | None = None
    known: str = ""
    session: str | None = None
    users: tuple[str, ...] | None = None
    unique: str | None = None
    code: bool = True
    protection: tuple[int, int] | None = None
    since: int = 0
    first: int = 0

    def is_user(self, sid: str) -> bool:
        """Whether a process of this kind acts as this user."""
        return self.users is None or any(
            sid.startswith(user[:-1]) if user.endswith("*") else sid == user for user in self.users
        )


@cache
def _tables() -> dict[str, dict[str, Any]]:
    """The data as it is written."""
    return read_toml("processes.toml")


@cache
def expectations(number: int = NEWEST) -> dict[str, Expected]:
    """What is expected in a build of Windows, by the name of the program in lower case."""
    return {name: _expected(name, table, number) for name, table in _tables().items()}


def _expected(name: str, table: Mapping[str, Any], number: int) -> Expected:
    """What is expected of one program, with what was true before a later build instead, where this one is older."""
    facts = {key: value for key, value in table.items() if key != "before"}
    for older in table.get("before", ()):
        if number < older["build"]:
            facts |= {key: value for key, value in older.items() if key not in ("build", "unjudged")}
            facts = {key: value for key, value in facts.items() if key not in older.get("unjudged", ())}
    if "protection" in facts:
        facts["protection"] = protection_of(facts["protection"])
    whole: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in facts.items()}
    return Expected(name, **whole)


def protection_of(text: str) -> tuple[int, int]:
    """Type and signer from ``type-signer``."""
    kind, _, signer = text.partition("-")
    return _number(PROTECTED_TYPES, kind), _number(PROTECTED_SIGNERS, signer)


def _number(names: dict[int, str], wanted: str) -> int:
    return next(value for value, name in names.items() if name == wanted)


def file_name(process: Process) -> str | Absent:
    """The name of a process's program: from its audited path, which is whole; else the kernel's short one."""
    path = process.image_path
    if isinstance(path, str) and path:
        return path.rpartition("\\")[2]
    return process.name


def core_name(process: Process, number: int) -> str | None:
    """The name of a process that never makes code while it runs, ``None`` for all others."""
    expected = expected_of(process, number)
    return expected.name if expected is not None and not expected.code else None


def expected_of(process: Process, number: int) -> Expected | None:
    """What is expected of a process by its name in a build, ``None`` where it has none of Windows' own names."""
    name = file_name(process)
    return expectations(number).get(name.lower()) if isinstance(name, str) else None
