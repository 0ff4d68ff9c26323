"""How the kernel itself finds an object's type: where its own ObGetObjectType looks.

In front of an object lies its header, whose byte TypeIndex names a place in the table of types; since Windows 10 mixed
with a secret byte and a byte of the header's address.  The function names both addresses.

Source: the instructions of a real kernel (x64, 19041); Russinovich, Solomon and Ionescu, "Windows Internals", part 2,
chapter 8.
"""

from __future__ import annotations

from dataclasses import dataclass

from process_anatomy.kernel.image import KernelImage
from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.values import Element, Global, Part, Read

FUNCTION = "ObGetObjectType"


@dataclass(frozen=True, slots=True)
class TypeCode:
    """What the kernel's function says of types.

    Attributes:
        address: where it begins.
        table: address of the table of types, where place 0 is (ObTypeIndexTable); ``None`` where its code does not say.
        cookie: address of the secret byte (ObHeaderCookie); ``None`` where there is none, or its code does not say.
        index: bytes from the object's body to where the type's number lies in front of it, below zero; 0 where its code
            does not say.
        header: bytes from the object's body back to its header, as far as the function needs them; else 0.
        outside: where it leads to out of the kernel's image; ``None`` where it does not.
    """

    address: int
    table: int | None = None
    cookie: int | None = None
    index: int = 0
    header: int = 0
    outside: int | None = None

    @property
    def silent(self) -> bool:
        """Whether its code says nothing."""
        return self.table is None


def type_code(kernel: Kernel) -> TypeCode | None:
    """What the kernel's own function says of types; ``None`` where it has none, or no exports can be read."""

    def find(kernel: Kernel) -> TypeCode | None:
        try:
            return told_by(kernel.image)
        except ValueError:
            return None

    return kernel.once("type code", find)


def told_by(image: KernelImage) -> TypeCode | None:
    """What the function of an image says; ``None`` where the image exports none."""
    address = image.export(FUNCTION)
    if address is None:
        return None
    from process_anatomy.kernel.functions import followed  # the disassembler takes a while to load

    inside = range(image.base, image.base + image.size)
    value, outside = followed(image.space, address, inside)
    if not isinstance(value, Element) or value.scale != image.space.pointer_size:
        return TypeCode(address, outside=outside)
    silent = TypeCode(address)
    index, cookie, header = 0, None, 0
    for term in value.index.terms:
        if isinstance(term, Read) and (term.size, term.shift, term.mask, term.base) == (1, 0, None, "first"):
            if index:
                return silent
            index = term.offset
        elif isinstance(term, Global) and term.size == 1 and cookie is None:
            cookie = term.address
        elif isinstance(term, Part) and (term.shift, term.mask, term.pointer.base) == (8, 0xFF, "first") and not header:
            header = -term.pointer.offset
        else:
            return silent
    known = value.table in inside and (cookie is None or cookie in inside)
    if not known or not -0x100 < index < 0 or (cookie is None) != (not header):
        return silent
    return TypeCode(address, value.table, cookie, index, header)
