"""Which rules must find something in a process, for the answer key."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.forge.ground.actors import INJECTED, NOWHERE, Actor, ThreadPlan
from process_anatomy.forge.ground.generations import has_integrity, hot_patches
from process_anatomy.forge.memory.modes import X86, Mode
from process_anatomy.forge.traces.table import TRACES
from structs.eprocess import EPROCESS
from structs.layout import Build

ODDITIES: dict[str, tuple[str, ...]] = {
    "injected": ("injected-code",),
    "odd_pages": ("beyond-vad", "uncovered-code", "patched-code"),
    "unlisted": ("unlisted-module",),
    "debugged": ("debugged",),
}
"""Other attributes of an actor that rules find."""
MAIN_VIEWS = {"cid", "scan"}
"""Views from which nothing but tampering takes a process."""
ONE_WAY = {"forward", "backward"}
"""Directions of the list of active processes: who is missing in one of them is where the list was torn."""
NEED_CREATOR = {"chosen-parent", "raised-integrity"}
"""Rules that judge by who asked for a process."""
NEED_PROTECTION = {"weak-protection", "foreign-protection"}
"""Rules about protected processes."""
NEED_VISTA = {"power-over-higher", "raised-integrity", "foreign-impersonation", "wrong-session"}
"""Rules that compare integrity levels, and rules about what only administrators had not, or not all, before Vista."""
NEED_HOT_PATCHES = {"blinded-loader"}
"""Rules about what Windows asks since 11 24H2."""
NEED_EXECUTE_BIT = {"beyond-vad", "patched-code"}
"""Rules about pages that the page tables let run, which plain 32-bit page tables do not tell."""


def unknowable(build: Build, mode: Mode, creator_kept: bool) -> frozenset[str]:
    """The rules that nothing can be told by in this Windows.

    Args:
        build: its layout.
        mode: its page tables.
        creator_kept: it keeps who asked for a process.
    """
    lacks = (
        (NEED_CREATOR, not creator_kept),
        (NEED_PROTECTION, "ProtectionType" not in build[EPROCESS]),
        (NEED_VISTA, not has_integrity(build)),
        (NEED_EXECUTE_BIT, mode is X86),
        (NEED_HOT_PATCHES, not hot_patches(build)),
    )
    return frozenset().union(*(rules for rules, lacking in lacks if lacking))


def findings(actor: Actor, unknowable: frozenset[str]) -> list[str]:
    """The rules that must find something in this actor's process, those of information apart.

    Args:
        actor: whose process.
        unknowable: rules that nothing can be told by in this Windows.
    """
    rules = [rule for name in actor.misfits for rule in TRACES[name].rules]
    rules += [rule for plan in actor.plans for rule in _threads(actor, plan)]
    if actor.ended is None and actor.hidden:
        rules.append("hidden-process")
    elif actor.ended is None and MAIN_VIEWS & {*actor.unseen_by}:
        rules.append("half-hidden-process")
    if actor.ended is None and not actor.hidden and len(ONE_WAY & {*actor.unseen_by}) == 1:
        rules.append("smear")
    rules += [rule for name, told in ODDITIES.items() if getattr(actor, name) for rule in told]
    return sorted({*rules, *actor.findings} - unknowable)


def _threads(actor: Actor, plan: ThreadPlan) -> Iterator[str]:
    """The rules that find something in a thread."""
    if plan.ended is not None:
        return
    if plan.starts_in == INJECTED:
        yield "thread-in-private-memory"
    if plan.starts_in == NOWHERE:
        yield "thread-outside-drivers" if actor.minimal else "thread-outside-images"
    if "HideFromDebugger" in plan.flags:
        yield "thread-hidden-from-debugger"
