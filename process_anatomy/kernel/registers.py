"""What registers, stack and flags hold while a function is followed without being run.

A register holds nothing that is known, or a number, or an address that the function began with plus a number, or what
was read there, shifted, masked and mixed (:mod:`process_anatomy.kernel.values`).

Source: Intel's manual, volume 2, for the instructions; Microsoft Learn, x64 calling convention and __stdcall, for where
arguments and results are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from iced_x86 import FlowControl, Instruction, MemorySizeExt, Mnemonic, OpKind, Register, RegisterExt

from process_anatomy.kernel.values import (
    Element,
    Given,
    Global,
    Mixed,
    Part,
    Pointer,
    Read,
    Value,
    lowest,
    terms_of,
)
from process_anatomy.memory.space import Space

STRUCTURE = 1 << 16
"""No structure of the kernel's is as large."""
HIGH_BYTES = frozenset({Register.AH, Register.BH, Register.CH, Register.DH})
PROCESSOR = {8: Register.GS, 4: Register.FS}
"""Width of an address to the segment of what the kernel keeps of the processor (_KPCR)."""
NEAR = frozenset({OpKind.NEAR_BRANCH16, OpKind.NEAR_BRANCH32, OpKind.NEAR_BRANCH64})


class State:
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
        if isinstance(value, Element):
            return value
        if isinstance(value, Pointer):
            return value if value.base == "first" and 0 < value.offset < STRUCTURE else None
        return value if isinstance(value, Read) and 0 <= value.offset < STRUCTURE else None

    def leads(self, space: Space, instruction: Instruction) -> int | None:
        """Where a jump without condition leads to, or a return to an address that the function itself put down.

        ``None`` where it is neither, or that cannot be told.
        """
        flow = instruction.flow_control
        if flow == FlowControl.UNCONDITIONAL_BRANCH and instruction.op0_kind in NEAR:
            return int(instruction.near_branch_target)
        if flow == FlowControl.INDIRECT_BRANCH:
            where = _fixed(instruction, 0)
            data = None if where is None else space.read(where, self.width)
            if data is not None:
                return int.from_bytes(data, "little")
            register = instruction.op0_register if instruction.op0_kind == OpKind.REGISTER else Register.NONE
            return self._whole(self.registers.get(RegisterExt.full_register(register)))
        top = self.registers.get(Register.RSP) if flow == FlowControl.RETURN else None
        if not isinstance(top, Pointer):
            return None
        low, high = self.stack.get(top.offset), self.stack.get(top.offset + 4)
        if self.width == 8 and isinstance(low, int) and isinstance(high, int):
            low = low & 0xFFFF_FFFF | high << 32  # put down in two halves
        return self._whole(low)

    def _whole(self, value: Value) -> int | None:
        """A number as an address."""
        return value & (1 << 8 * self.width) - 1 if isinstance(value, int) else None

    def follow(self, instruction: Instruction) -> bool:
        """Do what an instruction does; false where that is not understood."""
        does = _DOES.get(instruction.mnemonic)
        return does is not None and does(self, instruction)

    def place(self, instruction: Instruction) -> Pointer | None:
        """The address of a memory operand; ``None`` where it does not rest on an argument or the stack."""
        if instruction.segment_prefix == PROCESSOR[self.width] and _fixed(instruction, 1, True) is not None:
            return Pointer("processor", int(instruction.memory_displacement))
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
                whole = self.registers.get(RegisterExt.full_register(register))
                return Part(whole, 8, 0xFF) if isinstance(whole, Pointer) else None
            return self._narrow(self.registers.get(RegisterExt.full_register(register)), RegisterExt.size(register))
        if kind == OpKind.MEMORY:
            place, size = self.place(instruction), MemorySizeExt.size(instruction.memory_size)
            if place is None:
                return self._elsewhere(instruction, operand, size)
            if place.base == "second":
                return None
            if place.base == "stack":
                return self._narrow(self.stack.get(place.offset), size)
            return Read(place.offset, size, base=place.base)
        return int(instruction.immediate(operand)) & ((1 << 64) - 1)

    def _elsewhere(self, instruction: Instruction, operand: int, size: int) -> Value:
        """What is read behind what was read before, at a fixed address, or of a table at one."""
        fixed = _fixed(instruction, operand)
        if fixed is not None:
            return Global(self._whole(fixed) or 0, size)
        if instruction.segment_prefix != Register.NONE:
            return None
        base, index = (
            self.registers.get(RegisterExt.full_register(register))
            for register in (instruction.memory_base, instruction.memory_index)
        )
        offset = int(instruction.memory_displacement)
        if isinstance(base, Read) and base.base == "processor" and instruction.memory_index == Register.NONE:
            led = base.size == self.width and base.mask is None and not base.shift and not base.tested
            return Read(offset, size, base=base.base, through=(*base.through, base.offset)) if led else None
        terms = terms_of(index)
        start = 0 if instruction.memory_base == Register.NONE else base
        if terms is None or not isinstance(start, int) or size != self.width:
            return None
        return Element(self._whole(start + offset) or 0, int(instruction.memory_index_scale), Mixed(terms))

    def _narrow(self, value: Value, size: int) -> Value:
        """The low bytes of a value."""
        if isinstance(value, int):
            return value & ((1 << 8 * size) - 1)
        if isinstance(value, Pointer):
            return value if size == self.width else None
        if isinstance(value, Mixed):
            return Mixed(frozenset(lowest(term, size) for term in value.terms))
        if isinstance(value, Global | Part):
            return lowest(value, size)
        if isinstance(value, Element):
            return value if size == self.width else None
        return value if value is None or value.tested else lowest(value, size)

    def set(self, instruction: Instruction, value: Value) -> bool:
        """Put a value where the first operand says; false where that is neither a register, the stack nor a result."""
        if instruction.op0_kind == OpKind.REGISTER:
            if instruction.op0_register in HIGH_BYTES:
                return False
            self.registers[RegisterExt.full_register(instruction.op0_register)] = value
            return True
        place = self.place(instruction)
        if place is None or place.base in ("first", "processor"):
            return False
        if place.base == "stack":
            self.stack[place.offset] = value
        elif not place.offset:
            self.stored = value
        return True

    # what each instruction does

    def _nothing(self, _: Instruction) -> bool:
        return True

    def _move(self, instruction: Instruction) -> bool:
        return self.set(instruction, self.value(instruction, 1))

    def _address(self, instruction: Instruction) -> bool:
        place, fixed = self.place(instruction), _fixed(instruction, 1)
        return self.set(instruction, self._whole(fixed) if place is None else place)

    def _add(self, instruction: Instruction) -> bool:
        old, more = self.value(instruction, 0), self.value(instruction, 1)
        self.zero = self.carry = None
        if isinstance(more, Pointer) and instruction.mnemonic == Mnemonic.ADD:
            old, more = more, old
        if not isinstance(old, Pointer) or not isinstance(more, int):
            return self.set(instruction, None)
        return self.set(instruction, self._shifted(old, more if instruction.mnemonic == Mnemonic.ADD else -more))

    def _mask(self, instruction: Instruction) -> bool:
        value, mask = self.value(instruction, 0), self.value(instruction, 1)
        self.zero = value.masked(mask) if isinstance(value, Read) and isinstance(mask, int) else None
        if mask == 0xFF and isinstance(value, Global | Part | Mixed) and instruction.mnemonic == Mnemonic.AND:
            return self.set(instruction, self._narrow(value, 1))
        if instruction.mnemonic == Mnemonic.TEST:
            if value == mask and isinstance(value, Read):
                self.zero = value
            return True
        return self.set(instruction, self.zero)

    def _compare(self, instruction: Instruction) -> bool:
        value, other = self.value(instruction, 0), self.value(instruction, 1)
        self.zero = value if isinstance(value, Read) and other == 0 and isinstance(other, int) else None
        self.carry = None
        return True

    def _bit(self, instruction: Instruction) -> bool:
        value, number = self.value(instruction, 0), self.value(instruction, 1)
        self.carry = None
        if isinstance(value, Read) and isinstance(number, int) and number < 64:
            self.carry = value.masked(1 << number)
        return True

    def _shift(self, instruction: Instruction) -> bool:
        value, by = self.value(instruction, 0), self.value(instruction, 1)
        if isinstance(value, Read) and not value.tested and isinstance(by, int) and by < 64:
            mask = None if value.mask is None else value.mask >> by
            self.zero = replace(value, shift=value.shift + by, mask=mask)
        else:
            self.zero = None
        kept = RegisterExt.size(instruction.op0_register) if instruction.op0_kind == OpKind.REGISTER else 0
        whole = self.registers.get(RegisterExt.full_register(instruction.op0_register)) if kept >= 4 else None
        if isinstance(whole, Pointer) and by == 8:  # of its low half alone the second byte is the same
            return self.set(instruction, Part(whole, 8, (1 << 8 * kept - 8) - 1))
        return self.set(instruction, self.zero)

    def _clear(self, instruction: Instruction) -> bool:
        value, other = self.value(instruction, 0), self.value(instruction, 1)
        self.zero = self.carry = None
        flipped = isinstance(value, Read) and value.tested and isinstance(other, int)
        mixed, more = terms_of(value), terms_of(other)
        if mixed is not None and more is not None and not _of_itself(instruction):
            return self.set(instruction, Mixed(mixed ^ more))
        return self.set(instruction, 0 if _of_itself(instruction) else value if flipped else None)

    def _invert(self, instruction: Instruction) -> bool:
        return self.set(instruction, self.value(instruction, 0))

    def _negate(self, instruction: Instruction) -> bool:
        value = self.value(instruction, 0)
        self.zero = self.carry = value if isinstance(value, Read) else None
        return self.set(instruction, value if isinstance(value, Read) and value.tested else None)

    def _borrow(self, instruction: Instruction) -> bool:
        return self.set(instruction, _tested(self.carry) if _of_itself(instruction) else None)

    def _when_zero(self, instruction: Instruction) -> bool:
        return self.set(instruction, _tested(self.zero))

    def _when_carry(self, instruction: Instruction) -> bool:
        return self.set(instruction, _tested(self.carry))

    def _push(self, instruction: Instruction) -> bool:
        top = self.registers.get(Register.RSP)
        if not isinstance(top, Pointer):
            return False
        value = self.value(instruction, 0)
        self.registers[Register.RSP] = replace(top, offset=top.offset - self.width)
        self.stack[top.offset - self.width] = value
        return True

    def _pop(self, instruction: Instruction) -> bool:
        top = self.registers.get(Register.RSP)
        if not isinstance(top, Pointer):
            return False
        self.registers[Register.RSP] = replace(top, offset=top.offset + self.width)
        return self.set(instruction, self.stack.get(top.offset))

    def _leave(self, instruction: Instruction) -> bool:
        frame = self.registers.get(Register.RBP)
        if not isinstance(frame, Pointer):
            return False
        self.registers[Register.RBP] = self.stack.get(frame.offset)
        self.registers[Register.RSP] = replace(frame, offset=frame.offset + self.width)
        return True


def _fixed(instruction: Instruction, operand: int, prefixed: bool = False) -> int | None:
    """The address of a memory operand that rests on no register; ``None`` where it does.

    Args:
        instruction: the instruction.
        operand: which of its operands.
        prefixed: the operand may be told from the start of a segment.
    """
    if instruction.op_kind(operand) != OpKind.MEMORY or (instruction.segment_prefix != Register.NONE and not prefixed):
        return None
    if instruction.is_ip_rel_memory_operand:
        return int(instruction.ip_rel_memory_address)
    free = instruction.memory_base == Register.NONE and instruction.memory_index == Register.NONE
    return int(instruction.memory_displacement) if free else None


def _of_itself(instruction: Instruction) -> bool:
    """Whether both operands are the same register."""
    return bool(instruction.op1_kind == OpKind.REGISTER and instruction.op0_register == instruction.op1_register)


def _tested(value: Value) -> Value:
    return replace(value, tested=True) if isinstance(value, Read) else None


_DOES: dict[int, Callable[[State, Instruction], bool]] = {
    Mnemonic.NOP: State._nothing,
    Mnemonic.ENDBR64: State._nothing,
    Mnemonic.ENDBR32: State._nothing,
    Mnemonic.MOV: State._move,
    Mnemonic.MOVZX: State._move,
    Mnemonic.MOVSX: State._move,
    Mnemonic.MOVSXD: State._move,
    Mnemonic.LEA: State._address,
    Mnemonic.ADD: State._add,
    Mnemonic.SUB: State._add,
    Mnemonic.AND: State._mask,
    Mnemonic.TEST: State._mask,
    Mnemonic.CMP: State._compare,
    Mnemonic.BT: State._bit,
    Mnemonic.SHR: State._shift,
    Mnemonic.SAR: State._shift,
    Mnemonic.XOR: State._clear,
    Mnemonic.NOT: State._invert,
    Mnemonic.NEG: State._negate,
    Mnemonic.SBB: State._borrow,
    Mnemonic.SETE: State._when_zero,
    Mnemonic.SETNE: State._when_zero,
    Mnemonic.SETB: State._when_carry,
    Mnemonic.SETAE: State._when_carry,
    Mnemonic.PUSH: State._push,
    Mnemonic.POP: State._pop,
    Mnemonic.LEAVE: State._leave,
}
