"""The cast of another Windows: what its generation did not have yet is left out, of the image and of its truth.

What a later one no longer lets pass is made as intruders make it there.

Which program came with which Windows, and who started it before Windows Vista, the actors say themselves.

Sources: Microsoft's documentation of user account control and AppContainers (which Windows each came with); "Windows
Internals" for the processes of a system that starts.
"""

from __future__ import annotations

from dataclasses import replace

from process_anatomy.forge.ground.actors import Actor, Impersonation
from process_anatomy.forge.ground.generations import FIRST_WITH_ALL, hot_patches, one_desktop, version_of
from process_anatomy.forge.ground.paths import then_path
from process_anatomy.forge.traces.table import TRACES
from structs.eprocess import EPROCESS
from structs.layout import Build

VISTA_CONTEXTS = {"accessibility", "virtualized", "renderer", "write-restricted"}
"""Contexts that need what came with Vista; before it such a program had the usual token of its kind."""
USUAL = {"write-restricted": "local-service"}
MANY_HANDLES = 200
"""A table with more than these has two levels; on x86, where entries are half as large, twice as many are needed."""


def cast_for(build: Build, cast: tuple[Actor, ...]) -> tuple[Actor, ...]:
    """The actors that this Windows can show, with what it can show of them."""
    version = version_of(build)
    if hot_patches(build):
        return tuple(_blinded(actor) for actor in cast)
    if version >= FIRST_WITH_ALL and build.pointer_size == 8:
        return cast
    return tuple(_as_then(build, actor) for actor in cast if actor.since <= version)


def _blinded(actor: Actor) -> Actor:
    """A program that private memory replaced starts in Windows 11 24H2 only if the loader is kept from asking."""
    return replace(actor, misfits=(*actor.misfits, "blinded loader")) if "emptied program" in actor.misfits else actor


def _as_then(build: Build, actor: Actor) -> Actor:
    protected, version = "ProtectionType" in build[EPROCESS], version_of(build)
    changed = replace(
        actor,
        protection=actor.protection if protected else 0,
        misfits=tuple(name for name in actor.misfits if TRACES[name].since <= version),
        wow64=actor.wow64 and build.pointer_size == 8,
        handles=actor.handles * (2 if build.pointer_size == 4 and actor.handles > MANY_HANDLES else 1),
    )
    if not one_desktop(build):
        return changed
    context, at, key = actor.context.partition("@")
    if context in VISTA_CONTEXTS:
        context = USUAL.get(context, "limited")
    return replace(
        changed,
        parent=actor.parent if actor.old_parent is None else actor.old_parent,
        session=None if actor.session is None else 0,
        context=f"{context}{at}{key}",
        impersonates=tuple(_in_one_session(each) for each in actor.impersonates),
        path=then_path(build, actor.path),
        arguments=then_path(build, actor.arguments),
        unlisted=then_path(build, actor.unlisted),
        window_title=then_path(build, actor.window_title),
    )


def _in_one_session(plan: Impersonation) -> Impersonation:
    return replace(plan, session=0)
