"""What a small function gives of the structure that its first argument points at, by its instructions.

The instructions are followed without being run (:mod:`process_anatomy.kernel.registers`).  A function that does
more than a few of them in front of its return, that branches, calls or leaves the kernel's image, says nothing: then
there is no answer, never a wrong one.

Source: Intel's manual, volume 2, for the instructions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from iced_x86 import Decoder, FlowControl, Instruction, Mnemonic

from process_anatomy.kernel.registers import State
from process_anatomy.kernel.values import Given
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Space

INSTRUCTIONS = 32
"""Of a function that are followed, jumps to its real place included."""
FUNCTION_BYTES = 15 * INSTRUCTIONS


class Followed(NamedTuple):
    """What came of following a function.

    Attributes:
        value: what it gives its caller; ``None`` where it is not of a form that says so.
        outside: where it leads to out of the kernel's image; ``None`` where it does not.
    """

    value: Given | None
    outside: int | None


NOTHING = Followed(None, None)


def followed(space: Space, address: int, inside: range) -> Followed:
    """What a function gives its caller, by its result or by what it writes where its second argument points.

    Args:
        space: the kernel's address space.
        address: where the function begins.
        inside: addresses of the kernel's image; code elsewhere is not the kernel's, and is not followed.

    Returns:
        The address of a part of the structure, or what was read of it; nothing where the function is not of a form that
        says so, or its code cannot be read; and where it leads to out of the image.
    """
    state = State(8 * space.pointer_size)
    left = INSTRUCTIONS
    while left > 0:
        if address not in inside:
            return Followed(None, address)
        target = None
        for instruction in _instructions(space, address):
            left -= 1
            target = state.leads(space, instruction)
            if target is not None or left <= 0:
                break
            if instruction.flow_control == FlowControl.RETURN:
                return Followed(state.result(), None)
            if instruction.flow_control != FlowControl.NEXT or not state.follow(instruction):
                return NOTHING
        if target is None:
            return NOTHING
        address = target
    return NOTHING


def outside(space: Space, address: int, inside: range) -> int | None:
    """Where code's first jumps lead to, if that is outside a range of addresses; ``None`` where they do not."""
    for _ in range(INSTRUCTIONS):
        first = next(_instructions(space, address), None)
        target = None if first is None else State(8 * space.pointer_size).leads(space, first)
        if target is None or target not in inside:
            return target
        address = target
    return None


def _instructions(space: Space, address: int) -> Iterator[Instruction]:
    """The instructions from an address on, as far as their pages are there."""
    data = space.read(address, FUNCTION_BYTES)
    if data is None:
        data = space.read(address, min(FUNCTION_BYTES, PAGE - address % PAGE)) or b""
    for instruction in Decoder(8 * space.pointer_size, data, ip=address):
        if instruction.mnemonic == Mnemonic.INVALID:
            return
        yield instruction
