"""The words in which scenarios tell what is held open: named objects, keys, files, and power over processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Named(NamedTuple):
    """A named object that a process holds: its type, path, bytes of the body, pool tag, access and attributes."""

    type: str
    path: str
    size: int
    tag: bytes
    access: int
    attributes: int


@dataclass(frozen=True)
class Holdings:
    """What a process holds open beside processes, threads and tokens.

    Attributes:
        named: objects in the object directories.
        keys: (path below the root of the registry, access) of keys.
        files: (device, name, access) of files.
        views: it holds its drive, its desktop and sections of its program too.
    """

    named: tuple[Named, ...] = ()
    keys: tuple[tuple[str, int], ...] = ()
    files: tuple[tuple[str, str, int], ...] = ()
    views: bool = False


NOTHING = Holdings()
DEBUG_OBJECT, DEBUG_OBJECT_SIZE = "DebugObject", 0x68
"""What a process is debugged through, and its bytes: an event, a mutex, a list of events, flags."""


@dataclass(frozen=True)
class Power:
    """A handle that gives one process power over another.

    Attributes:
        holder: process id.
        kind: ``Process``, ``Thread``, ``Token`` or ``Section``; ``DebugObject`` for the object that the target, which
            is then debugged, is debugged through.
        target: process id.
        access: what it allows.
    """

    holder: int
    kind: str
    target: int
    access: int


class Way(NamedTuple):
    """A shortest way up: the integrity level that it leads to, and the process ids on it, in order."""

    integrity: str
    pids: tuple[int, ...]
