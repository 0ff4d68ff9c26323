"""Traces in the kernel's own code: functions that lead elsewhere."""

from __future__ import annotations

import struct

from process_anatomy.forge.memory.frames import KERNEL_CODE
from process_anatomy.forge.traces.trace import Victim

HOOKED, REDIRECTED = "PsGetProcessPeb", "PsGetProcessJob"
HOOK = bytes.fromhex("33c0c3")
"""What the hook gives instead: nothing."""


def hook_functions(victim: Victim) -> None:
    """A function jumps to code that somebody put where no driver is; another into a driver, as a hot patch lets it."""
    victim.system.space.put(victim.free, HOOK, KERNEL_CODE)
    _jump(victim, HOOKED, victim.free)
    _jump(victim, REDIRECTED, victim.driver)


def _jump(victim: Victim, function: str, target: int) -> None:
    """Five bytes in front of what the function did; both lie within two gigabytes."""
    place = victim.functions[function]
    victim.system.space.write(place, b"\xe9" + struct.pack("<I", target - place - 5 & 0xFFFFFFFF))
