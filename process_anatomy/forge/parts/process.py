"""A process in the making: addresses first, so that all parts can point to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from process_anatomy.forge.ground.actors import Actor, Impersonation
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.parts.handle import Handle
from process_anatomy.forge.parts.region import Region
from process_anatomy.forge.parts.user_half import UserHalf


@dataclass
class Process:
    """A process in the making.

    Attributes:
        actor: who it is in the scenario.
        space: its page tables.
        eprocess: address of its object.
        token: facts of its primary token.
        threads: addresses of its threads' objects.
        tids: their ids.
        user: its user half.
        regions: the ranges of its address space.
        vads: facts of the nodes that describe them.
        handles: what it holds open, by value.
        table: address of its handle table.
        audit: the name that was audited at its creation.
        debug_port: address of its debug object.
        windows: address of the window manager's data of it.
        section_object: address of the section object of its program.
        impersonations: number of a thread to its plan and the facts of the client's token.
    """

    actor: Actor
    space: Space
    eprocess: int
    token: dict[str, Any]
    threads: list[int]
    tids: list[int]
    audit: str = ""
    user: UserHalf = field(default_factory=UserHalf)
    regions: list[Region] = field(default_factory=list)
    vad_root: int = 0
    vad_depth: int = 0
    vads: list[dict[str, Any]] = field(default_factory=list)
    handles: dict[int, Handle] = field(default_factory=dict)
    table: int = 0
    debug_port: int = 0
    windows: int = 0
    section_object: int = 0
    thread_facts: list[dict[str, Any]] = field(default_factory=list)
    working_set: dict[str, Any] = field(default_factory=dict)
    impersonations: dict[int, tuple[Impersonation, dict[str, Any]]] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Has not ended."""
        return self.actor.ended is None

    @property
    def title(self) -> str:
        """The process as stock tools name it where a handle leads to it."""
        return f"{self.actor.name[:14]} Pid {self.actor.pid}"

    def thread_title(self, number: int) -> str:
        """One of its threads as stock tools name it where a handle leads to it."""
        return f"Tid {self.tids[number]} Pid {self.actor.pid}"
