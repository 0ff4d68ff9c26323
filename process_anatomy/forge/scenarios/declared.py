"""What a scenario's file says, as records: the machine, its people, services, programs and traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from process_anatomy.errors import ScenarioError

Range = tuple[int, int]
"""The least and the most; the seed decides between them."""
ADMINISTRATOR, STANDARD, MANAGED = "administrator", "standard", "managed"
"""Kinds of people: with a split logon, without rights to split, and with an account that Windows logs on for them."""
SHELL, SERVICES, LAUNCHER = "shell", "services", "launcher"
"""Who starts programs: the shell of their user, the service control manager, the service host that launches."""


@dataclass(frozen=True)
class Source:
    """Where in which file something is said.

    Attributes:
        file: the file.
        line: the line, from 1 on.
    """

    file: Path
    line: int

    def error(self, what: str) -> ScenarioError:
        """The error that tells what is wrong there."""
        return ScenarioError(f"{self.file}, line {self.line}: {what}")


@dataclass(frozen=True)
class Entry:
    """A program of a list.

    Attributes:
        path: with placeholders in braces.
        arguments: the command line behind the program's name, likewise.
        service: name of the service that runs in it.
        account: whom it runs as, ``system``, ``local-service`` or ``network-service``; of programs of people empty.
        first: first build number of Windows that has it.
        protection: type and signer of a protected process, as one byte.
        reads_lsass: it holds a handle with which it may read the memory of lsass.exe.
    """

    path: str
    arguments: str = ""
    service: str = ""
    account: str = ""
    first: int = 0
    protection: int = 0
    reads_lsass: bool = False


@dataclass(frozen=True)
class Machine:
    """The machine.

    Attributes:
        memory: bytes of physical memory.
        hosts: what it may be called.
        domain: whether it is in a domain; ``None`` leaves it to the seed.
        uptime: hours from its start to the image.
        compressed: share of the private pages that are in the compression store.
        paged: share of the private pages that are in page files.
        old_pages: free frames that hold what was in them before, as a share of those that programs use.
    """

    memory: int = 64 << 20
    hosts: str | tuple[str, ...] = "hosts"
    domain: bool | None = None
    uptime: Range = (2, 200)
    compressed: float = 0
    paged: float = 0
    old_pages: float = 0.5


@dataclass(frozen=True)
class User:
    """Somebody who is logged on.

    Attributes:
        key: how the scenario calls them.
        source: where it says so.
        names: what they may be called.
        kind: one of :data:`ADMINISTRATOR`, :data:`STANDARD` and :data:`MANAGED`.
    """

    key: str
    source: Source
    names: str | tuple[str, ...] = "people"
    kind: str = ADMINISTRATOR


@dataclass(frozen=True)
class Group:
    """Programs, or services, that play one role.

    Attributes:
        key: how the scenario calls them; traces name it.
        source: where it says so.
        service: the service control manager starts them.
        programs: name of a list, or programs.
        count: how many of them run.
        user: key of who runs them.
        runs_as: kind of token that they have.
        parent: who starts them: :data:`SHELL`, :data:`SERVICES`, :data:`LAUNCHER`, or the key of a group.
        threads: how many threads each has.
        pid: process id, where one is wanted; only for a group of one.
        compiles: they have code that a just-in-time compiler made.
        wow64: they are 32-bit programs.
        ended: they have ended.
    """

    key: str
    source: Source
    service: bool
    programs: str | tuple[Entry, ...]
    count: Range
    user: str = ""
    runs_as: str = ""
    parent: str = SHELL
    threads: Range = (1, 4)
    pid: int | None = None
    compiles: bool = False
    wow64: bool = False
    ended: bool = False


@dataclass(frozen=True)
class Use:
    """A trace of tampering that a scenario asks for.

    Attributes:
        names: of traces; the seed picks one.
        source: where it says so.
        given: parameters and their values.
        places: parameter to where it is given.
    """

    names: tuple[str, ...]
    source: Source
    given: Mapping[str, Any]
    places: Mapping[str, Source]


@dataclass(frozen=True)
class Declared:
    """A scenario as its file says it.

    Attributes:
        name: of the file, without its ending.
        source: the file.
        title: one line.
        about: for instructors: what it shows, and how it is solved.
        first: first build number that it can be forged for.
        last: last build number, zero for none.
        machine: the machine.
        users: who is logged on, the one at the keyboard first.
        groups: programs and services.
        uses: traces.
        lists: name of a list to its entries; the scenario's own and those that ship.
        words: name of a list of plain words to them.
        bounds: where the first and last build are said.
    """

    name: str
    source: Source
    title: str
    about: str
    first: int
    last: int
    machine: Machine
    users: tuple[User, ...]
    groups: tuple[Group, ...]
    uses: tuple[Use, ...]
    lists: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bounds: Source | None = None
