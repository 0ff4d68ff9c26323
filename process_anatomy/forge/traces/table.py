"""Every trace of tampering: its name in scenarios, the rules that find it, and what it changes.

Each changes one thing after the fact, as an intruder would.  A new one needs a function in the module of what it
changes, a line here, and an actor in :data:`process_anatomy.forge.cast.intrusion.INTRUSION` that has it.
"""

from __future__ import annotations

from typing import Any

from process_anatomy.forge.address_space.sections import Sections
from process_anatomy.forge.ground.actors import Actor
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.parts.user_half import UserHalf
from process_anatomy.forge.traces import kernel_code, kernel_records, loader, programs, tokens
from process_anatomy.forge.traces.trace import Trace, Victim

EMPTIED = ("hollowed-program", "injected-image", "module-without-image", "thread-in-private-memory")
TRACES: dict[str, Trace] = {
    "copied image": Trace(("injected-image",), memory=programs.copy_image),
    "emptied program": Trace(EMPTIED, memory=programs.empty_program),
    "blinded loader": Trace(("blinded-loader", "patched-code"), memory=programs.blind_loader),
    "overwritten program": Trace(("hollowed-program", "patched-code"), memory=programs.overwrite_program),
    "moved program": Trace(("hollowed-program",), written=programs.move_program),
    "image without a file": Trace(("image-without-file", "unlisted-module"), memory=programs.map_nameless),
    "half-listed library": Trace(("half-listed-module",), written=loader.half_list_library),
    "listed library": Trace(("module-without-image",), told=loader.list_library),
    "mistold library": Trace(("mistold-module",), told=loader.mistell_library),
    "false path": Trace(("false-peb",), written=loader.tell_false_path),
    "other file": Trace(("other-program",), first=kernel_records.audit_other_file),
    "short name": Trace(("renamed",), written=kernel_records.rename),
    "stolen token": Trace(("shared-token",), first=tokens.steal_token),
    "forged privileges": Trace(("impossible-privileges",), (6, 0), first=tokens.forge_privileges),
    "forged flags": Trace(("inconsistent-token",), (6, 2), written=tokens.forge_flags),
    "silent debugger": Trace(("hidden-debugger",), written=loader.silence_debugger),
    "false end": Trace(("ended-but-running",), written=kernel_records.tell_end),
    "hooked functions": Trace(("hooked-function",), written=kernel_code.hook_functions),
    "foreign handle table": Trace(("smear",), written=kernel_records.misname_table),
}
"""Key of an actor's misfits to the trace: privileges are bitmaps since Windows Vista, AppContainers came with 8."""


def _of(actor: Actor) -> list[Trace]:
    return [TRACES[name] for name in actor.misfits]


def change_first(victim: Victim) -> None:
    """What is changed once the addresses of the process are known."""
    for trace in _of(victim.process.actor):
        if trace.first:
            trace.first(victim)


def change_memory(actor: Actor, user: UserHalf, space: Space, sections: Sections) -> None:
    """What is changed in a user half before its VAD tree is made."""
    for trace in _of(actor):
        if trace.memory:
            trace.memory(user, space, sections)


def told_modules(actor: Actor, user: UserHalf) -> list[dict[str, Any]]:
    """The modules as the loader's lists tell them."""
    told = [module.facts() for module in user.modules]
    for trace in _of(actor):
        if trace.told:
            trace.told(user, told)
    return told


def change_written(victim: Victim) -> None:
    """What is changed in the records, once all of them are written."""
    for trace in _of(victim.process.actor):
        if trace.written:
            trace.written(victim)
