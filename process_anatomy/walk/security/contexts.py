"""The security context of an image: tokens, claims and the names of everybody in them, gathered once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from process_anatomy.kernel.identify import Kernel
from process_anatomy.walk.processes.listed import Process
from process_anatomy.walk.registry.hives import hives, profiles, services
from process_anatomy.walk.security.attributes import Claims, claims
from process_anatomy.walk.security.sid_names import SidNames
from process_anatomy.walk.security.tokens import Token

PACKAGE_ATTRIBUTE = "WIN://SYSAPPID"
"""Security attribute whose first value is the full name of the package that the process belongs to."""


@dataclass(frozen=True, slots=True)
class Security:
    """Who acts as whom.

    Attributes:
        tokens: those asked for: each process's primary token, then those that its threads impersonate with.
        everyone: the primary tokens of all processes.
        claims: security attributes, claims and device groups of the tokens asked for.
        names: names of the SIDs.
    """

    tokens: tuple[Token, ...]
    everyone: tuple[Token, ...]
    claims: Claims
    names: SidNames


def security(kernel: Kernel, everyone: Sequence[Process], own: Sequence[Token], whole: Sequence[Token]) -> Security:
    """The security contexts of some processes and of their threads.

    Args:
        kernel: whose memory.
        everyone: every process of the image; the registry is looked for in them.
        own: the tokens asked for.
        whole: the tokens of everyone: their logon sessions name accounts, whoever was asked for.
    """
    held = claims(kernel, own)
    names = _names(kernel, everyone, [*whole, *own], held)
    return Security(tuple(own), tuple(t for t in whole if t.thread is None), held, names)


def _names(kernel: Kernel, everyone: Sequence[Process], known: Sequence[Token], held: Claims) -> SidNames:
    """Names of SIDs; the registry is asked only where everything else leaves one without a name."""
    accounts = {t.user: t.account for t in known if isinstance(t.user, str) and isinstance(t.account, str)}
    packages = [
        attribute.values[0]
        for attribute in held.attributes
        if attribute.name == PACKAGE_ATTRIBUTE and attribute.values and isinstance(attribute.values[0], str)
    ]
    names = SidNames(accounts, packages=packages)
    mentioned = {sid for token in known if isinstance(token.sids, tuple) for sid, _ in token.sids}
    if all(names.source(sid) for sid in mentioned if isinstance(sid, str)):
        return names
    found = hives(kernel, everyone)
    paths = {sid: path for sid, path in profiles(kernel, everyone, found).paths.items() if isinstance(path, str)}
    return SidNames(accounts, paths, services(kernel, everyone, found).rows, packages)
