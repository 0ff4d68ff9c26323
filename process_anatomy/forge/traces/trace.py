"""What a trace is: which rules find it, and what it changes at which stage of the forging."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from process_anatomy.forge.address_space.sections import Sections
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.parts.user_half import UserHalf
from structs.layout import Build, Layout


@dataclass(frozen=True)
class Victim:
    """A process whose records are tampered with.

    Attributes:
        build: where the fields are.
        process: whose records.
        system: the process System: its space has the kernel's records, its token is worth stealing.
        boot_time: seconds since 1970 (UTC) when the system started.
        functions: name to address of the kernel's small functions.
        free: an address of the kernel's half where nothing is.
        driver: an address in a driver's image, once drivers are loaded.
    """

    build: Build
    process: Process
    system: Process
    boot_time: int
    functions: Mapping[str, int]
    free: int
    driver: int = 0

    def set_field(self, space: Space, layout: Layout, address: int, field: str, value: int) -> None:
        """Overwrite one number.

        Args:
            space: where the structure can be written.
            layout: the declaration of the structure.
            address: of the structure.
            field: which number.
            value: what it is to be.
        """
        place = self.build[layout].place(field)
        space.write(address + place.offset, value.to_bytes(place.size, "little"))

    def set_kernel_field(self, layout: Layout, address: int, field: str, value: int) -> None:
        """Overwrite one number of a structure of the kernel."""
        self.set_field(self.system.space, layout, address, field, value)


@dataclass(frozen=True)
class Trace:
    """One thing that does not fit, in records that are otherwise as they should be.

    Attributes:
        rules: that find it in the process that has it.
        since: version of Windows that brought what is tampered with.
        first: changes the process once its addresses are known: its token, the name that is audited.
        memory: changes the user half before its VAD tree is made.
        told: changes what the loader's lists tell of the modules.
        written: changes records once all of them are written.
    """

    rules: tuple[str, ...]
    since: tuple[int, int] = (0, 0)
    first: Callable[[Victim], None] | None = None
    memory: Callable[[UserHalf, Space, Sections], None] | None = None
    told: Callable[[UserHalf, list[dict[str, Any]]], None] | None = None
    written: Callable[[Victim], None] | None = None
