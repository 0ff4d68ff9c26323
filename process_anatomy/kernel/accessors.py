"""The kernel's own code as a witness of the layout: where its small exported functions look for a field.

Source: :mod:`structs.accessors` for the functions and what they give; the image's own instructions for where.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from process_anatomy.kernel.image import KernelImage
from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.observations import Check
from process_anatomy.kernel.values import Given, Pointer, Read
from structs.accessors import ACCESSORS, CURRENT_THREAD, Accessor
from structs.layout import Build, Place


@dataclass(frozen=True, slots=True)
class CodeWitness:
    """What one function of the kernel says of a field.

    Attributes:
        accessor: the function, and the field that it gives.
        address: where the function begins.
        offset: bytes from the start of the structure to where it looks; ``None`` where its code does not say.
        bits: the first bit that it looks at, from the start of the structure, and how many; ``None`` where it gives
            the address of the field, or its code says nothing.
        outside: where it jumps to out of the kernel's image; ``None`` where it does not.
    """

    accessor: Accessor
    address: int
    offset: int | None
    bits: tuple[int, int] | None
    outside: int | None

    def agrees(self, place: Place) -> bool:
        """Whether the field lies where the function looks.

        A compiler may read less than the whole field, or a part of it where only that counts; where the first bit lies
        is never the same by chance.
        """
        first = 8 * place.offset + (place.bit or 0)
        count = 8 * place.size if place.bits is None else place.bits
        if self.bits is None:
            return self.offset == place.offset
        start, length = self.bits
        if self.accessor.part:
            return max(start, first) < min(start + length, first + count)
        return start == first

    @property
    def words(self) -> str:
        """What the function does, for the explanation of a row."""
        name = self.accessor.function
        if self.outside is not None:
            return f"{name} jumps out of the kernel, to {self.outside:#x}"
        if self.offset is None:
            return f"{name} is of another form, or cannot be read"
        if self.bits is None:
            return f"{name} adds {self.offset:#x}"
        start, length = self.bits
        part = "" if not start % 8 and length in (8, 16, 32, 64) else f", bit {start % 8}"
        return f"{name} reads {start // 8:#x}{part}"


def code_witnesses(kernel: Kernel) -> tuple[CodeWitness, ...]:
    """What each of the functions says that the kernel exports; none where its exports cannot be read."""

    def find(kernel: Kernel) -> tuple[CodeWitness, ...]:
        try:
            return tuple(heard(kernel.image))
        except ValueError:
            return ()

    return kernel.once("code witnesses", find) if kernel.code is None else kernel.code


def heard(image: KernelImage) -> Iterator[CodeWitness]:
    """What each of the functions says that an image exports."""
    found = {each.function: image.export(each.function) for each in ACCESSORS}
    if not any(found.values()):
        return
    from process_anatomy.kernel.functions import followed  # the disassembler takes a while to load

    inside = range(image.base, image.base + image.size)
    for accessor in ACCESSORS:
        address = found[accessor.function]
        if address is None:
            continue
        value, leaves = followed(image.space, address, inside)
        offset, bits = field_of(accessor, value, image.space.pointer_size)
        yield CodeWitness(accessor, address, offset, bits, leaves)


def field_of(accessor: Accessor, value: Given | None, width: int) -> tuple[int | None, tuple[int, int] | None]:
    """Where a function looks for its field, and which bits of it count; ``None`` for both where it does not say."""
    if isinstance(value, Pointer) and not accessor.steps:
        return value.offset, None
    if not isinstance(value, Read) or value.bits is None:
        return None, None
    if value.base == "first" and not accessor.steps:
        return value.offset, value.bits
    current = value.base == "processor" and value.through[:1] == (CURRENT_THREAD[width],)
    return (value.offset, value.bits) if current and len(value.through) == accessor.steps else (None, None)


def code_checks(said: Iterable[CodeWitness], build: Build) -> Iterator[Check]:
    """What the kernel's functions say of a layout, one check for each of those fields that the layout has.

    One is enough to speak against a layout that was only chosen.  Against one that facts name for this very kernel one
    is not, for a single function may have been patched.
    """
    for each in said:
        place = build.place(each.accessor.layout.name, each.accessor.field)
        if place is None:
            continue
        passed = int(each.offset is not None and each.agrees(place))
        failed = int(each.offset is not None) - passed
        yield Check(
            "kernel-code", each.accessor.layout.name, each.accessor.field, "system", passed, failed,
            1 - passed - failed, each.address if failed else None, decisive=build.estimated, told=each.words,
        )  # fmt: skip
