"""Traces in what the kernel keeps of a process: its names, its end, its handle table."""

from __future__ import annotations

from process_anatomy.forge.ground.clock import filetime
from process_anatomy.forge.objects.devices import DISK
from process_anatomy.forge.traces.trace import Victim
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE

OTHER_FOLDER = DISK + "\\Windows\\Temp\\"
SHORT_NAME = b"svchost.exe"


def audit_other_file(victim: Victim) -> None:
    """The file that was audited at creation is another than the program's."""
    victim.process.audit = OTHER_FOLDER + victim.process.actor.name


def rename(victim: Victim) -> None:
    """The short name is another program's."""
    place = victim.build[EPROCESS].place("ImageFileName")
    victim.system.space.write(victim.process.eprocess + place.offset, SHORT_NAME.ljust(place.size, b"\0"))


def tell_end(victim: Victim) -> None:
    """It runs, and has a time of its end."""
    end = filetime(victim.boot_time + victim.process.actor.started + 9)
    victim.set_kernel_field(EPROCESS, victim.process.eprocess, "ExitTime", end)


def misname_table(victim: Victim) -> None:
    """The handle table names another process."""
    victim.set_kernel_field(HANDLE_TABLE, victim.process.table, "UniqueProcessId", victim.process.actor.pid + 8)
