"""Rules over the program and the modules: where kernel, PEB, loader, header and VAD do not tell the same."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.findings.places import from_volume
from process_anatomy.findings.rules import Clue, Severity, rule
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.address_space.page_row import PageRow
from process_anatomy.walk.address_space.vad_nodes import IMAGE_MAP
from process_anatomy.walk.address_space.vads import Vad, vad_around
from process_anatomy.walk.processes.listed import Process
from process_anatomy.walk.program.modules import (
    NO_IMAGE,
    NOT_LISTED,
    Header,
    Module,
    against_header,
    against_lists,
    against_mapping,
)


def _modules(tables: Tables) -> tuple[Module, ...]:
    """The modules; a small dump holds none."""
    return tables.modules.rows if tables.whole else ()


@rule("hollowed-program", Severity.HIGH, rests=("vads", "pages"))
def hollowed_program(tables: Tables) -> Iterator[Clue]:
    """What runs as the program is not what the kernel mapped as the program."""
    images = {(row.process.address, row.base): row for row in _modules(tables)}
    around = _vads(tables)
    pages = {id(row.vad): row for row in tables.pages.rows if row.vad is not None}
    told = {(peb.process.address, peb.bits): peb for peb in tables.pebs}
    for process in tables.processes:
        base = tables.programs[process.address].base
        if process.exit_time != NOT_APPLICABLE or not isinstance(base, int):
            continue
        lines: list[str] = []
        for bits in (64, 32):
            peb = told.get((process.address, bits))
            if peb is not None and isinstance(peb.image_base, int) and peb.image_base != base:
                lines.append(f"the {bits}-bit PEB says that the program is at {peb.image_base:#x}")
        vad = vad_around(around.get(process.address, ()), base)
        if vad is None:
            if around.get(process.address):
                lines.append(f"no VAD covers {base:#x}")
        elif isinstance(vad.vad_type, str) and vad.vad_type != IMAGE_MAP:
            lines.append(
                f"no image is mapped at {base:#x}: {vad.vad_type}, private {vad.private}, VAD {vad.address:#x}"
            )
        else:
            lines += _changed(images.get((process.address, base)), pages.get(id(vad)))
        if lines:
            yield process, f"{base:#x}", (f"the kernel mapped the program at {base:#x}", *lines)


def _vads(tables: Tables) -> dict[int, list[Vad]]:
    found: dict[int, list[Vad]] = {}
    for vad in tables.vads.rows:
        found.setdefault(vad.process.address, []).append(vad)
    return found


def _changed(module: Module | None, pages: PageRow | None) -> Iterator[str]:
    """What was changed of the program after it was mapped."""
    if pages is not None and pages.own_header:
        yield "its header in memory is not the file's any more: the page was written to"
    if module is not None and module.entry is not None and isinstance(module.header, Header):
        yield from against_header(module.entry, module.header)


@rule("other-program", Severity.HIGH, rests=("vads",))
def other_program(tables: Tables) -> Iterator[Clue]:
    """The file that is mapped as the program is not the one that the kernel audited."""
    for vad in tables.vads.rows:
        process = vad.process
        base, audited = tables.programs[process.address].base, process.image_path
        if vad.vad_type != IMAGE_MAP or not isinstance(base, int) or vad.start != base:
            continue
        if isinstance(vad.file, str) and vad.file and isinstance(audited, str) and "\\" in audited:
            mapped = vad.file.lower()
            if from_volume(audited) != mapped and not audited.lower().endswith(mapped):
                line = f"{vad.file} is mapped at {base:#x}, VAD {vad.address:#x}"
                yield process, vad.file, (line, f"the kernel audited {audited}")


@rule("image-without-file", Severity.HIGH, rests=("vads",))
def image_without_file(tables: Tables) -> Iterator[Clue]:
    """A mapped image behind which there is no file."""
    for vad in tables.vads.rows:
        # a file object that lost its name is another matter than none: the walk gives an empty name for it
        if vad.vad_type == IMAGE_MAP and (vad.file == NOT_APPLICABLE or vad.file == ""):
            line = f"an image is mapped at {_place(vad.start)}, VAD {vad.address:#x}, but no file stands behind it"
            yield vad.process, _place(vad.start), (line,)


@rule("unlisted-module", Severity.MEDIUM, rests=("vads", "modules"))
def unlisted_module(tables: Tables) -> Iterator[Clue]:
    """A mapped image that none of the loader's lists holds, in a process whose lists could be read whole."""
    used = {(row.process.address, row.start): row for row in tables.pages.rows if row.kind == "vad"}
    for row in _modules(tables):
        if row.state != NOT_LISTED or row.vad is None or _early(row.process):
            continue
        pages = used.get((row.process.address, row.vad.start))
        what = row.mapped_path if isinstance(row.mapped_path, str) else "an image whose file is not known"
        lines = [f"{what} is mapped at {_place(row.base)}, VAD {row.vad.address:#x}", "no list holds it"]
        if pages is not None and pages.hardware:
            lines.append(f"pages that the page tables give: {pages.hardware}")
        yield row.process, _called(row), tuple(lines)


def _called(row: Module) -> str:
    """What a module is called: its name, its place where a damaged entry has none."""
    return str(row.name) or _place(row.base)


def _early(process: Process) -> bool:
    """Whether a process has no loader of its own to list anything."""
    return not process.own_space or not isinstance(process.peb, int)


@rule("half-listed-module", Severity.HIGH, rests=("modules",))
def half_listed_module(tables: Tables) -> Iterator[Clue]:
    """A module that some of the loader's lists hold and others, which must hold it as well, do not."""
    for row in _modules(tables):
        entries = [entry for entry in (row.entry, row.entry32) if entry is not None]
        if lines := [line for entry in entries for line in against_lists(entry)]:
            yield row.process, _called(row), (*lines, f"at {_place(row.base)}")


@rule("module-without-image", Severity.HIGH, rests=("vads",))
def module_without_image(tables: Tables) -> Iterator[Clue]:
    """A module that the loader lists where no image is mapped, in a process whose tree is known to its last node."""
    for row in _modules(tables):
        if row.state == NO_IMAGE:
            entry = row.entry.address if row.entry is not None else 0
            path = row.told("path")
            what = path if isinstance(path, str) and path else "a module without a name"
            line = f"the loader lists {what} at {_place(row.base)}, entry {entry:#x}"
            yield row.process, _called(row), (line, "no image is mapped there")


@rule("mistold-module", Severity.MEDIUM, rests=("vads",))
def mistold_module(tables: Tables) -> Iterator[Clue]:
    """A library whose header, path or size in memory is not what the loader recorded."""
    for row in _modules(tables):
        if row.entry is None or row.base == tables.programs[row.process.address].base:
            continue
        lines = list(against_mapping(row.entry, row.vad, row.section))
        if isinstance(row.header, Header):
            lines += against_header(row.entry, row.header)
        if lines:
            yield row.process, _called(row), (*lines, f"at {_place(row.base)}")


@rule("false-peb", Severity.MEDIUM)
def false_peb(tables: Tables) -> Iterator[Clue]:
    """A PEB that names another program than the one that the kernel audited."""
    for peb in tables.pebs:
        told, audited = peb.image_path, peb.process.image_path
        if not (isinstance(told, str) and isinstance(audited, str) and told and "\\" in audited):
            continue
        if told.lower().rpartition("\\")[2] != audited.lower().rpartition("\\")[2]:
            line = f"the {peb.bits}-bit PEB at {_place(peb.address)} names {told}"
            yield peb.process, told, (line, f"the kernel audited {audited}")


def _place(address: int | Absent) -> str:
    return f"{address:#x}" if isinstance(address, int) else "an unknown address"
