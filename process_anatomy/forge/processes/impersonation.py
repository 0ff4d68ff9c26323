"""Threads that act for somebody else: whom, how far, and what the thread keeps of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from process_anatomy.forge.ground.actors import Impersonation
from process_anatomy.forge.ground.records import record
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.security.tokens import Tokens
from structs.ethread import ETHREAD, PS_IMPERSONATION_INFORMATION

EFFECTIVE_ONLY_BIT = 2
"""Bit of ImpersonationData for "only what is enabled counts"."""


@dataclass
class Client:
    """Whom a thread acts for: ImpersonationData, whether it does so now, and what the truth says of it."""

    data: int = 0
    active: bool = False
    facts: dict[str, Any] = field(
        default_factory=lambda: {"effective_only": None, "impersonation_level": None, "impersonation_token": None}
    )


def impersonate(processes: list[Process], tokens: Tokens) -> None:
    """Give threads the tokens of their clients; a thread that has stopped to impersonate keeps an address only."""
    made: dict[str, dict[str, Any]] = {}
    plans = [(process, plan) for process in processes for plan in process.actor.impersonates]
    for process, plan in sorted(plans, key=lambda pair: not pair[1].active):
        if plan.active:
            made[plan.context] = tokens.make(plan.context, plan.session, level=plan.level)
        process.impersonations[plan.thread] = plan, made[plan.context]


def client_of(objects: ObjectManager, process: Process, index: int) -> Client:
    """Whom a thread acts for."""
    if index not in process.impersonations:
        return Client()
    plan, token = process.impersonations[index]
    level = plan.level if plan.taken is None else plan.taken
    data = token["va"] | level | plan.effective_only << EFFECTIVE_ONLY_BIT
    if "ImpersonationInfo" in objects.build[ETHREAD]:
        data = _information(objects, plan, token["va"], level)
    if not plan.active:
        return Client(data)
    return Client(
        data,
        True,
        {
            "effective_only": plan.effective_only,
            "impersonation_level": level,
            "impersonation_token": {name: value for name, value in token.items() if name != "fast_ref"},
        },
    )


def _information(objects: ObjectManager, plan: Impersonation, token: int, level: int) -> int:
    """Before Windows Vista: the record of whom a thread acts for; gives its address."""
    data = record(
        objects.build,
        PS_IMPERSONATION_INFORMATION,
        Token=token,
        EffectiveOnly=int(plan.effective_only),
        ImpersonationLevel=level,
    )
    return objects.paged.put(data, b"PsIm")
