"""Functions of the kernel that lead out of it: where a hook or a patch sends whoever calls them.

A function of the kernel's own that gives one field never leaves the kernel's image, neither by its export nor by its
instructions.  Where it does, whoever calls it runs somebody else's code.
Source: :mod:`structs.accessors` for the functions; the image's own instructions for where they lead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from process_anatomy.kernel.accessors import code_witnesses
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.type_code import FUNCTION, type_code
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.program.drivers import Driver, DriverTable

SHOWN = 16
"""Octets of a function that are shown."""
NO_EXECUTE = np.uint64(1 << 63)


@dataclass(frozen=True, slots=True)
class Hook:
    """One function that leads out of the kernel.

    Attributes:
        function: its exported name.
        address: where it begins.
        code: its first octets; empty where they cannot be read.
        target: where it leads to.
        driver: the driver that this lies in; ``None`` where it lies in none that is listed.
        runs: there is code to run: the page is in the kernel's half, can be read, holds something and may be executed.
    """

    function: str
    address: int
    code: bytes
    target: int
    driver: Driver | None
    runs: bool


def hooks(kernel: Kernel, drivers: DriverTable) -> list[Hook]:
    """The functions that lead out of the kernel: those of :data:`structs.accessors.ACCESSORS`, and ObGetObjectType."""
    found: dict[str, Hook] = {}
    types = type_code(kernel)
    told = [(each.accessor.function, each.address, each.outside) for each in code_witnesses(kernel)]
    for name, address, target in (*told, *([(FUNCTION, types.address, types.outside)] if types else ())):
        if target is not None and name not in found:
            code = kernel.space.read(address, SHOWN) or b""
            found[name] = Hook(name, address, code, target, drivers.find(target), _runs(kernel, target))
    return list(found.values())


def _runs(kernel: Kernel, address: int) -> bool:
    """Whether there is code of the kernel's half to run at an address."""
    code = kernel.space.read(address, SHOWN)
    if not isinstance(kernel.space, AddressSpace) or address < kernel.system_start or not any(code or b""):
        return False
    where = kernel.space.translate(addresses_of([address]))
    forbidden = kernel.space.mode.entry_size == 8 and bool(where.entry[0] & NO_EXECUTE)
    return bool(where.state[0] <= paging.PageState.LARGE_1GB) and not forbidden
