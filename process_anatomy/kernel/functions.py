"""What a small function gives of the structure that its first argument points at, by its instructions.

The instructions are followed without being run.  A register holds nothing that is known, or a number, or the argument
plus a number, or what was read there, shifted and masked.  A function that does more than that in front of its return,
one that branches, calls or leaves the kernel's image, says nothing: then there is no answer, never a wrong one.

Source: Intel's manual, volume 2, for the instructions; Microsoft Learn, x64 calling convention and __stdcall, for where
arguments and results are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from iced_x86 import Decoder, FlowControl, Instruction, MemorySizeExt, Mnemonic, OpKind, Register, RegisterExt

from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Space

INSTRUCTIONS = 32
"""Of a function that are followed, jumps to its real place included."""
FUNCTION_BYTES = 15 * INSTRUCTIONS
STRUCTURE = 1 << 16
"""No structure of the kernel's is as large."""
HIGH_BYTES = frozenset({Register.AH, Register.BH, Register.CH, Register.DH})
NEAR = frozenset({OpKind.NEAR_BRANCH16, OpKind.NEAR_BRANCH32, OpKind.NEAR_BRANCH64})


@dataclass(frozen=True, slots=True)
class Pointer:
    """An address that the function began with, and a number added to it.

    Attributes:
        base: ``first`` or ``second`` argument, or ``stack``.
        offset: what was added.
    """

    base: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of the structure.

    Attributes:
        offset: bytes from the start of the structure.
        size: bytes that were read.
        shift: bits that it was shifted to the right afterwards.
        mask: the bits that were kept after the shift, ``None`` for all.
        tested: what was kept is only whether one of these bits is set.
    """

    offset: int
    size: int
    shift: int = 0
    mask: int | None = None
    tested: bool = False

    @property
    def bits(self) -> tuple[int, int] | None:
        """The bits that count: the first, from the start of the structure, and how many; ``None`` if not in one run."""
        mask = self.kept
        low = (mask & -mask).bit_length() - 1
        count = (mask >> max(low, 0)).bit_length()
        if not mask or mask >> low != (1 << count) - 1:
            return None
        return 8 * self.offset + self.shift + low, count

    @property
    def kept(self) -> int:
        """The bits that were kept, after the shift."""
        whole = (1 << max(8 * self.size - self.shift, 0)) - 1
        return whole if self.mask is None else whole & self.mask

    def masked(self, mask: int) -> Read:
        """The same with only these bits kept."""
        return replace(self, mask=self.kept & mask)


Value = Pointer | Read | int | None
"""What a register or a place on the stack holds; ``None`` where it is not known."""
Given = Pointer | Read


def given(space: Space, address: int, inside: range) -> Given | None:
    """What a function gives its caller: by its result, or by what it writes where its second argument points.

    Args:
        space: the kernel's address space.
        address: where the function begins.
        inside: addresses of the kernel's image; code elsewhere is not the kernel's.

    Returns:
        The address of a part of the structure, or what was read of it; ``None`` where the function is not of a form
        that says so, or its code cannot be read.
    """
    state = _State(8 * space.pointer_size)
    left = INSTRUCTIONS
    while left > 0 and address in inside:
        target = None
        for instruction in _instructions(space, address):
            left -= 1
            if instruction.flow_control == FlowControl.RETURN:
                return state.result()
            target = _jump(space, instruction)
            if target is not None or left <= 0:
                break
            if instruction.flow_control != FlowControl.NEXT or not state.follow(instruction):
                return None
        if target is None:
            return None
        address = target
    return None


def outside(space: Space, address: int, inside: range) -> int | None:
    """Where a function's first jumps lead to, if that is outside the kernel's image; ``None`` where they do not."""
    for _ in range(INSTRUCTIONS):
        first = next(_instructions(space, address), None)
        target = None if first is None else _jump(space, first)
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


def _jump(space: Space, instruction: Instruction) -> int | None:
    """Where a jump without condition leads to; ``None`` where it is no such jump, or that cannot be read."""
    if instruction.flow_control == FlowControl.UNCONDITIONAL_BRANCH and instruction.op0_kind in NEAR:
        return int(instruction.near_branch_target)
    if instruction.flow_control == FlowControl.INDIRECT_BRANCH and instruction.is_ip_rel_memory_operand:
        data = space.read(instruction.ip_rel_memory_address, space.pointer_size)
        return None if data is None else int.from_bytes(data, "little")
    return None


class _State:
    """What registers, stack and flags hold while a function is followed.

    Args:
        bits: of an address, 32 or 64.
    """

    def __init__(self, bits: int) -> None:
        self.width = bits // 8
        self.registers: dict[int, Value] = {Register.RSP: Pointer("stack")}
        self.stack: dict[int, Value] = {}
        if bits == 64:
            self.registers |= {Register.RCX: Pointer("first"), Register.RDX: Pointer("second")}
        else:
            self.stack |= {self.width: Pointer("first"), 2 * self.width: Pointer("second")}
        self.zero: Value = None
        """Whether this is zero is what the zero flag says."""
        self.carry: Value = None
        """Whether this is zero is what the carry flag says."""
        self.stored: Value = None

    def result(self) -> Given | None:
        """What the caller gets of the structure."""
        value = self.registers.get(Register.RAX) if self.stored is None else self.stored
        if isinstance(value, Pointer):
            return value if value.base == "first" and 0 < value.offset < STRUCTURE else None
        return value if isinstance(value, Read) and 0 <= value.offset < STRUCTURE else None

    def follow(self, instruction: Instruction) -> bool:
        """Do what an instruction does; false where that is not understood."""
        does = _DOES.get(instruction.mnemonic)
        return does is not None and does(self, instruction)

    def place(self, instruction: Instruction) -> Pointer | None:
        """The address of a memory operand; ``None`` where it does not rest on an argument or the stack."""
        plain = instruction.memory_index == Register.NONE and instruction.segment_prefix == Register.NONE
        base = self.registers.get(RegisterExt.full_register(instruction.memory_base)) if plain else None
        if not isinstance(base, Pointer):
            return None
        return self._shifted(base, int(instruction.memory_displacement))

    def _shifted(self, pointer: Pointer, by: int) -> Pointer:
        """A pointer so many bytes further on, or back: numbers are as wide as an address, and have a sign."""
        limit = 1 << 8 * self.width
        moved = (pointer.offset + by) % limit
        return replace(pointer, offset=moved - limit if moved >= limit // 2 else moved)

    def value(self, instruction: Instruction, operand: int) -> Value:
        """What an operand holds."""
        kind = instruction.op_kind(operand)
        if kind == OpKind.REGISTER:
            register = instruction.op_register(operand)
            if register in HIGH_BYTES:
                return None
            return self._narrow(self.registers.get(RegisterExt.full_register(register)), RegisterExt.size(register))
        if kind == OpKind.MEMORY:
            place, size = self.place(instruction), MemorySizeExt.size(instruction.memory_size)
            if place is None or place.base == "second":
                return None
            if place.base == "stack":
                return self._narrow(self.stack.get(place.offset), size)
            return Read(place.offset, size)
        return int(instruction.immediate(operand)) & ((1 << 64) - 1)

    def _narrow(self, value: Value, size: int) -> Value:
        """The low bytes of a value."""
        if isinstance(value, int):
            return value & ((1 << 8 * size) - 1)
        if isinstance(value, Pointer):
            return value if size == self.width else None
        if value is None or value.tested or size >= value.size:
            return value
        if value.mask is None and not value.shift:
            return replace(value, size=size)
        return value.masked((1 << 8 * size) - 1)

    def set(self, instruction: Instruction, value: Value) -> bool:
        """Put a value where the first operand says; false where that is neither a register, the stack nor a result."""
        if instruction.op0_kind == OpKind.REGISTER:
            if instruction.op0_register in HIGH_BYTES:
                return False
            self.registers[RegisterExt.full_register(instruction.op0_register)] = value
            return True
        place = self.place(instruction)
        if place is None or place.base == "first":
            return False
        if place.base == "stack":
            self.stack[place.offset] = value
        elif not place.offset:
            self.stored = value
        return True

    # what each instruction does

    def nothing(self, _: Instruction) -> bool:
        return True

    def move(self, instruction: Instruction) -> bool:
        return self.set(instruction, self.value(instruction, 1))

    def address(self, instruction: Instruction) -> bool:
        return self.set(instruction, self.place(instruction))

    def add(self, instruction: Instruction) -> bool:
        old, more = self.value(instruction, 0), self.value(instruction, 1)
        self.zero = self.carry = None
        if isinstance(more, Pointer) and instruction.mnemonic == Mnemonic.ADD:
            old, more = more, old
        if not isinstance(old, Pointer) or not isinstance(more, int):
            return self.set(instruction, None)
        return self.set(instruction, self._shifted(old, more if instruction.mnemonic == Mnemonic.ADD else -more))

    def mask(self, instruction: Instruction) -> bool:
        value, mask = self.value(instruction, 0), self.value(instruction, 1)
        self.zero = value.masked(mask) if isinstance(value, Read) and isinstance(mask, int) else None
        if instruction.mnemonic == Mnemonic.TEST:
            if value == mask and isinstance(value, Read):
                self.zero = value
            return True
        return self.set(instruction, self.zero)

    def compare(self, instruction: Instruction) -> bool:
        value, other = self.value(instruction, 0), self.value(instruction, 1)
        self.zero = value if isinstance(value, Read) and other == 0 and isinstance(other, int) else None
        self.carry = None
        return True

    def bit(self, instruction: Instruction) -> bool:
        value, number = self.value(instruction, 0), self.value(instruction, 1)
        self.carry = None
        if isinstance(value, Read) and isinstance(number, int) and number < 64:
            self.carry = value.masked(1 << number)
        return True

    def shift(self, instruction: Instruction) -> bool:
        value, by = self.value(instruction, 0), self.value(instruction, 1)
        if isinstance(value, Read) and not value.tested and isinstance(by, int) and by < 64:
            mask = None if value.mask is None else value.mask >> by
            self.zero = replace(value, shift=value.shift + by, mask=mask)
        else:
            self.zero = None
        return self.set(instruction, self.zero)

    def clear(self, instruction: Instruction) -> bool:
        value, other = self.value(instruction, 0), self.value(instruction, 1)
        self.zero = self.carry = None
        flipped = isinstance(value, Read) and value.tested and isinstance(other, int)
        return self.set(instruction, 0 if _of_itself(instruction) else value if flipped else None)

    def invert(self, instruction: Instruction) -> bool:
        return self.set(instruction, self.value(instruction, 0))

    def negate(self, instruction: Instruction) -> bool:
        value = self.value(instruction, 0)
        self.zero = self.carry = value if isinstance(value, Read) else None
        return self.set(instruction, value if isinstance(value, Read) and value.tested else None)

    def borrow(self, instruction: Instruction) -> bool:
        return self.set(instruction, _tested(self.carry) if _of_itself(instruction) else None)

    def when_zero(self, instruction: Instruction) -> bool:
        return self.set(instruction, _tested(self.zero))

    def when_carry(self, instruction: Instruction) -> bool:
        return self.set(instruction, _tested(self.carry))

    def push(self, instruction: Instruction) -> bool:
        top = self.registers.get(Register.RSP)
        if not isinstance(top, Pointer):
            return False
        value = self.value(instruction, 0)
        self.registers[Register.RSP] = replace(top, offset=top.offset - self.width)
        self.stack[top.offset - self.width] = value
        return True

    def pop(self, instruction: Instruction) -> bool:
        top = self.registers.get(Register.RSP)
        if not isinstance(top, Pointer):
            return False
        self.registers[Register.RSP] = replace(top, offset=top.offset + self.width)
        return self.set(instruction, self.stack.get(top.offset))

    def leave(self, instruction: Instruction) -> bool:
        frame = self.registers.get(Register.RBP)
        if not isinstance(frame, Pointer):
            return False
        self.registers[Register.RBP] = self.stack.get(frame.offset)
        self.registers[Register.RSP] = replace(frame, offset=frame.offset + self.width)
        return True


def _of_itself(instruction: Instruction) -> bool:
    """Whether both operands are the same register."""
    return bool(instruction.op1_kind == OpKind.REGISTER and instruction.op0_register == instruction.op1_register)


def _tested(value: Value) -> Value:
    return replace(value, tested=True) if isinstance(value, Read) else None


_DOES: dict[int, Callable[[_State, Instruction], bool]] = {
    Mnemonic.NOP: _State.nothing,
    Mnemonic.ENDBR64: _State.nothing,
    Mnemonic.ENDBR32: _State.nothing,
    Mnemonic.MOV: _State.move,
    Mnemonic.MOVZX: _State.move,
    Mnemonic.MOVSX: _State.move,
    Mnemonic.MOVSXD: _State.move,
    Mnemonic.LEA: _State.address,
    Mnemonic.ADD: _State.add,
    Mnemonic.SUB: _State.add,
    Mnemonic.AND: _State.mask,
    Mnemonic.TEST: _State.mask,
    Mnemonic.CMP: _State.compare,
    Mnemonic.BT: _State.bit,
    Mnemonic.SHR: _State.shift,
    Mnemonic.SAR: _State.shift,
    Mnemonic.XOR: _State.clear,
    Mnemonic.NOT: _State.invert,
    Mnemonic.NEG: _State.negate,
    Mnemonic.SBB: _State.borrow,
    Mnemonic.SETE: _State.when_zero,
    Mnemonic.SETNE: _State.when_zero,
    Mnemonic.SETB: _State.when_carry,
    Mnemonic.SETAE: _State.when_carry,
    Mnemonic.PUSH: _State.push,
    Mnemonic.POP: _State.pop,
    Mnemonic.LEAVE: _State.leave,
}
