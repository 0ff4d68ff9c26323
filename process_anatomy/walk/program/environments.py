"""Environments: the variables that each process was given, from the block that its PEB leads to.

A block is ``NAME=value`` after ``NAME=value``, each closed by a zero, and ends with an empty one.  It is user memory:
it may have no end, no names, or odd characters, and may lie across pages that are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Space
from process_anatomy.memory.view import unreadable
from process_anatomy.walk.processes.listed import NOT_READ
from process_anatomy.walk.program.pebs import Peb

UNTOLD = 1 << 16
"""Bytes that are read of a block whose size is not told."""
SIZE_LIMIT = 1 << 20
"""Bytes of a block at the most."""
COUNT_LIMIT = 1 << 14
"""Variables of one block at the most."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of an environment.

    Attributes:
        peb: whose environment.
        block: address of the block.
        address: where the variable lies in it; of a block that could not be read, where that fails.
        name: its name; names of the shell's own begin with ``=``.
        value: its value, not applicable where the string has none.
        problems: what is odd or could not be read, one line each.
    """

    peb: Peb
    block: int | Absent
    address: int | Absent
    name: str | Absent
    value: str | Absent
    problems: tuple[str, ...]


def environments(kernel: Kernel, found: Iterable[Peb]) -> Iterator[Variable]:
    """The variables of these PEBs' environments, in their own order."""
    for peb in found:
        space, block = kernel.space, peb.environment
        if isinstance(block, Absent) or isinstance(peb.root, Absent):
            if isinstance(block, Absent) and block.kind in NOT_READ:
                yield Variable(peb, block, block, block, block, (f"environment: {block}",))
            continue
        yield from _variables(peb, block, space.through(peb.root))


def _variables(peb: Peb, block: int, own: Space) -> Iterator[Variable]:
    """The variables of one block."""
    told = peb.environment_size
    limit = min(told, SIZE_LIMIT) if isinstance(told, int) and told else UNTOLD
    limit = max(0, min(limit, own.system_start - block)) & ~1
    seen: set[str] = set()
    count = 0
    for address, text, whole in _strings(own, block, limit, limit if isinstance(told, int) else 0):
        if isinstance(text, Absent):
            yield Variable(peb, block, address, text, text, (f"environment: {text}",))
            continue
        count += 1
        if count > COUNT_LIMIT:
            reason = f"more than {COUNT_LIMIT} variables; the rest is left out"
            rest = Absent(Kind.IMPLAUSIBLE, reason)
            yield Variable(peb, block, address, rest, rest, (reason,))
            return
        yield _variable(peb, block, address, text, whole, seen)


def _variable(peb: Peb, block: int, address: int, text: str, whole: str, seen: set[str]) -> Variable:
    """One variable; ``whole`` says why its text is not all there, if it is not."""
    name, equals, value = text[:1] + text[1:].partition("=")[0], "=" in text[1:], text[1:].partition("=")[2]
    problems = [whole] if whole else []
    if not equals and not whole:
        problems.append("it has no =, so no value")
    if name.upper() in seen:
        problems.append("the block holds this name before: which of them counts is up to the program")
    if equals or not whole:
        seen.add(name.upper())
    gone = Absent(Kind.UNREADABLE, whole)
    return Variable(
        peb,
        block,
        address,
        name if equals or not whole else gone,
        gone if whole else value if equals else Absent(Kind.NOT_APPLICABLE),
        tuple(problems),
    )


def _strings(own: Space, block: int, limit: int, told: int) -> Iterator[tuple[int, str | Absent, str]]:
    """Address and text of every string up to the empty one, with why a text is not all there.

    Behind pages that are gone, the first string is not taken, for it may have begun on them.
    """
    missing = f"the block has no end within {limit} bytes"
    resuming = False
    for start, data in _runs(own, block, limit):
        if isinstance(data, Absent):
            yield start, data, ""
            resuming = True
            continue
        first = start + (start - block) % 2
        units = np.frombuffer(data, dtype="<u2", offset=first - start, count=(len(data) - first + start) // 2)
        here = 0
        for stop in np.flatnonzero(units == 0).tolist():
            if resuming:
                resuming = False
            elif stop == here:
                rest = _after(own, first + 2 * (stop + 1), block + told)
                if rest:
                    yield first + 2 * stop, Absent(Kind.IMPLAUSIBLE, rest), ""
                return
            else:
                yield first + 2 * here, _decoded(units[here:stop]), ""
            here = stop + 1
        after = start + len(data)
        if here < len(units) and not resuming:
            gone = missing if after >= block + limit else f"cut off: {own.why(after)}"
            yield first + 2 * here, _decoded(units[here:]), gone
        elif after >= block + limit:
            yield after, Absent(Kind.IMPLAUSIBLE, missing), ""


def _after(own: Space, start: int, end: int) -> str:
    """What follows the end of a block within the size that is told of it; empty where nothing but zeros does."""
    size = end - start
    data = own.read(start, size) if size > 0 else None
    text = np.frombuffer(data[: size & ~1], dtype="<u2") if data else np.zeros(0, dtype="<u2")
    left = np.flatnonzero(text)
    if not len(left):
        return ""
    return f"the environment ends here, but it is said to have {size} bytes more, and they are not empty"


def _runs(own: Space, block: int, limit: int) -> Iterator[tuple[int, bytes | Absent]]:
    """The block as stretches of pages that can be read, and of pages that cannot, each with its address."""
    at, end = block, block + limit
    start, parts, gone = block, list[bytes](), False
    while at < end:
        size = min(PAGE - at % PAGE, end - at)
        data = own.read(at, size)
        if data is None:
            if parts:
                yield start, b"".join(parts)
            if not gone:
                yield at, unreadable(own, at, size)
            parts, gone = [], True
        else:
            if not parts:
                start = at
            parts.append(data)
            gone = False
        at += size
    if parts:
        yield start, b"".join(parts)


def _decoded(units: npt.NDArray[np.uint16]) -> str:
    return units.tobytes().decode("utf-16-le", "replace")
