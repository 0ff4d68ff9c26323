"""``anatomy forge``, ``python -m process_anatomy.forge``: a practice image, its answer key and its symbol table."""

from __future__ import annotations

import argparse
import errno
import json
import lzma
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from process_anatomy.errors import ScenarioError
from process_anatomy.forge.cast.clean import CLEAN
from process_anatomy.forge.cast.scenarios import EVERY
from process_anatomy.forge.machine.containers import COMPANIONS, FORMATS, whole, write_page_files
from process_anatomy.forge.machine.forging import DEFAULT_BUILD, DEFAULT_SEED, forge
from process_anatomy.forge.memory.frames import OutOfFramesError
from process_anatomy.forge.parts.image import Image
from process_anatomy.forge.scenarios.checked import SIZE_WORDS, size_of
from process_anatomy.forge.scenarios.forged import forge_scenario
from process_anatomy.forge.scenarios.reading import scenario
from process_anatomy.forge.scenarios.told import about, listed
from process_anatomy.forge.scenarios.windows import layout_of
from structs.layout import LayoutError

NAMES = {"22621": "win11-22621"}
BUILT_IN = {
    "lab": "the machine of the sample that ships",
    "intrusion": "one intruder for each trace that a rule looks for",
    "hiding": "the lab, with processes that not every view sees",
    "crowd": "the lab, with two hundred programs more",
} | dict.fromkeys(CLEAN, "a machine on which something looks strange and nothing is wrong")
"""Scenarios that are code, and what they are."""
PRESET = 9
CUT_SHORT, INTERRUPTED = 1, 130
"""Exit statuses: nobody reads what is printed any more; interrupted from the keyboard, as a shell tells of it."""


def write_all(image: Image, folder: Path, name: str, form: str = "bitmap", overwrite: bool = True) -> list[Path]:
    """Write an image, its truth, its symbol table, and what belongs beside such an image; gives the files.

    If one cannot be written, none is left, nor a folder that was made for it.

    Args:
        image: what to write.
        folder: where to; it is made if need be.
        name: file name without an ending.
        form: key of :data:`process_anatomy.forge.machine.containers.FORMATS`.
        overwrite: replace files that are there.

    Raises:
        FileExistsError: there is such a file, and it may not be replaced.
    """
    ending, write = FORMATS[form]
    truth = image.truth
    pdb = image.symbols["metadata"]["windows"]["pdb"]["database"]
    symbols = folder / "symbols" / "windows" / pdb / f"{truth['pdb_guid']}-{truth['pdb_age']}.json.xz"
    paths = [folder / f"{name}{ending}", folder / f"{name}.truth.json", symbols]
    said = (json.dumps(truth, indent=1, sort_keys=True) + "\n").encode()
    table = json.dumps(image.symbols, sort_keys=True, separators=(",", ":")).encode()
    packed = lzma.compress(table, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, preset=PRESET)
    writers: list[Callable[[Image, Path], None] | bytes] = [write, said, packed]
    if form in COMPANIONS:
        beside, write_beside = COMPANIONS[form]
        paths.append(folder / f"{name}{beside}")
        writers.append(write_beside)
    if not overwrite:
        refuse([path for path in paths if path != symbols])
    new: list[Path] = []
    made = [each for each in (symbols.parent, *symbols.parent.parents) if not each.exists()]
    try:
        symbols.parent.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, writers, strict=True):
            if path == symbols and path.is_file() and not path.is_symlink() and path.read_bytes() == packed:
                continue  # the kernel of another seed's image may be the same one
            if not path.exists():
                new.append(path)
            with whole(path) as file:
                file.write_bytes(content) if isinstance(content, bytes) else content(image, file)
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # one that somebody put something into stays
            for each in made:
                each.rmdir()
        raise
    return paths


def refuse(paths: Sequence[Path]) -> None:
    """See that none of these is there.

    Raises:
        FileExistsError: one is.
    """
    for path in paths:
        if path.exists() or path.is_symlink():
            raise FileExistsError(errno.EEXIST, "it is there already; --overwrite replaces it", str(path))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with one line instead of the whole usage before it."""
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help shows how it is used\n")


def main(arguments: Sequence[str] | None = None, program: str = "python -m process_anatomy.forge") -> int:
    """Read the arguments and forge; gives the exit status.

    Args:
        arguments: of the command line; those of the process where they are left out.
        program: what it was started as.

    Raises:
        SystemExit: the arguments make no sense (2), or a file cannot be written (1); one line says why.
    """
    try:
        status = _forged(arguments, program)
        sys.stdout.flush()
    except BrokenPipeError:  # who read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CUT_SHORT
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


def _forged(arguments: Sequence[str] | None, program: str) -> int:
    parser = _parser(program)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.list or chosen.about is not None:
            for line in listed(BUILT_IN) if chosen.list else about(chosen.about):
                print(line)
            return 0
        layout = layout_of(chosen.build)
        memory = _memory(chosen.memory)
        name = _file_name(chosen, layout)
        if not chosen.overwrite:
            endings = [forms[chosen.format][0] for forms in (FORMATS, COMPANIONS) if chosen.format in forms]
            refuse([chosen.output / f"{name}{ending}" for ending in (*endings, ".truth.json")])
        image = _image(chosen, layout, memory)
        written = write_all(image, chosen.output, name, chosen.format, chosen.overwrite)
        if image.page_files:
            written += write_page_files(image, chosen.output / f"{name}-page-files")
    except (ValueError, LayoutError, ScenarioError, OutOfFramesError) as error:
        parser.error(str(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        parser.exit(1, f"{parser.prog}: {error.filename or chosen.output}: {error.strerror or error}\n")
    for path in written:
        print(f"{path} ({path.stat().st_size:,} bytes)")
    return 0


def _parser(program: str) -> _Parser:
    parser = _Parser(
        prog=program,
        description="Make a practice image, its answer key and its symbol table.",
        epilog="--list names scenarios, traces and Windows; --about NAME tells of one scenario or trace.",
    )
    add = parser.add_argument
    add("--list", action="store_true", help="show scenarios, traces and Windows, and forge nothing")
    add("--about", metavar="NAME", help="tell of one scenario or trace, with its parameters, and forge nothing")
    add("--output", type=Path, default=Path("samples"), help="folder for the files")
    add("--overwrite", action="store_true", help="replace files that are there")
    add("--format", choices=sorted(FORMATS), default="bitmap", help="container of the memory")
    add("--scenario", default="lab", metavar="NAME", help="who runs: a name that --list shows, or a .toml file")
    add("--build", default=DEFAULT_BUILD, metavar="WINDOWS",
        help='which Windows: "Windows 11 24H2", "Server 2022", or a layout, for instance x64-19041-0')  # fmt: skip
    add("--pae", action=argparse.BooleanOptionalAction, default=None,
        help="x86: with or without physical address extension; else what the layout usually has")  # fmt: skip
    add("--five-levels", action="store_true", help="x64 from 26100 on: page tables of five levels (LA57)")
    add("--memory", metavar="SIZE", help='physical memory, for instance "1 GB"; else what the scenario says')
    add("--compressed", type=float, default=0, metavar="SHARE",
        help="share of the private pages that are in the compression store, from 0 to 1")  # fmt: skip
    add("--paged", type=float, default=0, metavar="SHARE",
        help="share of the private pages that are in page files, which are written")  # fmt: skip
    add("--seed", type=int, default=DEFAULT_SEED,
        help="decides addresses and frames; of a scenario that is data, everything that it leaves open")  # fmt: skip
    return parser


def _memory(written: str | None) -> int:
    """Bytes of memory that are asked for, zero for what the scenario says."""
    if written is None:
        return 0
    if not (size := size_of(written)):
        raise ValueError(f"argument --memory: {written!r} is no {SIZE_WORDS}")
    return size


def _image(chosen: argparse.Namespace, layout: str, size: int) -> Image:
    if chosen.scenario in EVERY:
        built = replace(EVERY[chosen.scenario], compressed=chosen.compressed, paged=chosen.paged)
        built = replace(built, memory_size=size or built.memory_size)
        return forge(built, chosen.seed, layout, chosen.pae, chosen.five_levels)
    declared = scenario(chosen.scenario)
    machine = replace(
        declared.machine,
        memory=size or declared.machine.memory,
        compressed=chosen.compressed or declared.machine.compressed,
        paged=chosen.paged or declared.machine.paged,
    )
    return forge_scenario(replace(declared, machine=machine), chosen.seed, layout, chosen.pae, chosen.five_levels)


def _file_name(chosen: argparse.Namespace, layout: str) -> str:
    """File name without an ending: scenario and seed, and which Windows; the sample that ships keeps its name."""
    arch, number = layout.split("-")[:2]
    name = Path(chosen.scenario).stem if chosen.scenario.endswith(".toml") else chosen.scenario
    tail = f"{number}-x86" if arch == "x86" else NAMES.get(number, number)
    if not (chosen.scenario in EVERY and chosen.seed == DEFAULT_SEED):
        tail = f"{chosen.seed}-{tail}"
    return f"{name}-{tail}-la57" if chosen.five_levels else f"{name}-{tail}"


if __name__ == "__main__":
    sys.exit(main())
