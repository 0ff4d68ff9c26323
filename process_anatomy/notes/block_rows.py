"""Which note belongs to a PEB, a TEB or an environment variable, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import SYSTEM_PID
from process_anatomy.notes.explainer import Told
from process_anatomy.notes.library import Level, Library, Words
from process_anatomy.notes.process_rows import who, word
from process_anatomy.walk.processes.listed import NOT_READ
from process_anatomy.walk.program.environments import Variable
from process_anatomy.walk.program.global_flags import GLOBAL_FLAGS
from process_anatomy.walk.program.pebs import Peb
from process_anatomy.walk.threads.tebs import Teb

Fact = tuple[str, dict[str, object]]
SEARCH = {"PATH", "PSMODULEPATH", "PYTHONPATH", "CLASSPATH"}
"""Variables that list the folders in which programs, modules or scripts are looked for."""
SINGLE = {"COMSPEC": "shell", "PATHEXT": "endings", "SYSTEMROOT": "windows-folder", "WINDIR": "windows-folder"}
"""Variables that name one thing by which a program is found, and the note that says what."""
CODE = {
    "COR_ENABLE_PROFILING", "COR_PROFILER", "COR_PROFILER_PATH", "COR_PROFILER_PATH_32", "COR_PROFILER_PATH_64",
    "CORECLR_ENABLE_PROFILING", "CORECLR_PROFILER", "CORECLR_PROFILER_PATH", "CORECLR_PROFILER_PATH_32",
    "CORECLR_PROFILER_PATH_64", "DOTNET_STARTUP_HOOKS", "COMPLUS_ETWENABLED", "__COMPAT_LAYER", "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS", "NODE_OPTIONS", "PYTHONSTARTUP", "QT_PLUGIN_PATH", "VK_INSTANCE_LAYERS",
}  # fmt: skip
"""Variables that make a runtime load code, or change how it runs, before the program itself begins."""
TOLD = 60
"""Characters of a variable's value that a sentence holds."""
ELSEWHERE = {"nothing": "nothing readable", "something else": "something else", "the same": "the same bytes"}


def peb_note(row: Peb) -> Fact:
    """The note of a PEB."""
    facts = who(row.process) | {"peb": place(row.address), "root": place(row.root)}
    facts |= {"other": "any other process", "there": "nothing of this"}
    if row.elsewhere is not None:
        other, there = who(row.elsewhere[0]), ELSEWHERE[row.elsewhere[1]]
        facts |= {"other": f"{other['process']} ({other['pid']})", "there": there}
    return f"peb-row/{_peb_kind(row)}", facts


def _peb_kind(row: Peb) -> str:
    if isinstance(row.address, Absent):
        if row.address.kind in NOT_READ:
            return "none" if row.process.minimal is True or row.process.pid == SYSTEM_PID else "no-address"
        if row.process.pico is True:
            return "pico"
        return "ended" if isinstance(row.process.exit_time, int) else "none"
    if isinstance(row.image_base, Absent) and isinstance(row.being_debugged, Absent):
        if row.image_base.kind is Kind.NOT_IN_DUMP:
            return "small-dump"
        return "no-tables" if isinstance(row.root, Absent) else "unreadable"
    if row.being_debugged is True:
        return "debugged"
    if row.process.wow64 is True:
        return "wow64" if row.bits == 32 else "wow64-native"
    return "native"


def global_flag_notes(row: Peb, library: Library) -> str:
    """What the debugging aids of a PEB do, one sentence each; empty without any."""
    mask = row.nt_global_flag if isinstance(row.nt_global_flag, int) else 0
    names = [name for bit, name in GLOBAL_FLAGS.items() if mask & bit]
    return "".join(f" {name}: {library[f'global-flag/{name}'].text(Level.BRIEF)}." for name in names)


def peb_row(row: Peb, library: Library) -> Told:
    """All that is said of a PEB: its note, and what the debugging aids that it names do."""
    return Told(*peb_note(row), after=global_flag_notes(row, library))


def variable_note(row: Variable) -> Fact:
    """The note of an environment variable."""
    name = row.name or Words("a variable without a name") if isinstance(row.name, str) else "no name"
    facts = {"name": name, "value": _clipped(row.value), "block": place(row.block), "bits": row.peb.bits}
    return f"environment-row/{_variable_kind(row)}", who(row.peb.process) | facts


def _clipped(value: str | Absent) -> object:
    """The value of a variable as a sentence holds it; the column has all of it."""
    if isinstance(value, str) and len(value) > TOLD:
        return value[:TOLD] + "..."
    return word(value)


def _variable_kind(row: Variable) -> str:
    if isinstance(row.name, Absent):
        return "unreadable"
    if isinstance(row.value, Absent):
        return "odd"
    if row.name.startswith("="):
        return "drive"
    name = row.name.upper()
    if name in SINGLE:
        return SINGLE[name]
    return "search" if name in SEARCH else "code" if name in CODE else "variable"


def teb_note(row: Teb) -> Fact:
    """The note of a TEB."""
    process = row.thread.process
    facts = who(process) | {
        "tid": word(row.thread.tid),
        "teb": place(row.address),
        "root": place(process.dtb),
        "low": place(row.stack_limit),
        "high": place(row.stack_base),
        "last_call": _failed(row.last_error),
    }
    return f"teb-row/{_teb_kind(row)}", facts


def _failed(error: int | Absent) -> str:
    """What the last call that failed left, to be read behind a fact; empty where none did."""
    return "" if isinstance(error, Absent) or not error else f"; its last failed call left error {error}"


def _teb_kind(row: Teb) -> str:
    if isinstance(row.address, Absent):
        if row.address.kind in NOT_READ:
            return "no-address"
        if row.thread.process.pico is True:
            return "pico"
        return "gone" if row.user_start else "none"
    if isinstance(row.stack_base, Absent) and isinstance(row.own_address, Absent):
        return "unreadable"
    if row.thread.process.wow64 is True:
        return "small" if row.bits == 32 else "wow64"
    return "user"


def place(value: int | Absent) -> str:
    """An address as a sentence holds it."""
    return Words("an unknown address") if isinstance(value, Absent) else f"{value:#x}"
