"""``anatomy forge``, ``python -m process_anatomy.forge``: a practice image, its answer key and its symbol table."""

from __future__ import annotations

import argparse
import json
import lzma
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from process_anatomy.forge.cast.scenarios import EVERY
from process_anatomy.forge.machine.containers import FORMATS, whole, write_page_files
from process_anatomy.forge.machine.forging import DEFAULT_BUILD, DEFAULT_SEED, forge
from process_anatomy.forge.parts.image import Image
from structs import builds, partial
from structs.layout import LayoutError

NAMES = {22621: "lab-win11-22621"}
PRESET = 9
INTERRUPTED = 130
"""Exit status, as a shell tells of a program that was interrupted from the keyboard."""


def write_all(image: Image, folder: Path, name: str, form: str = "bitmap") -> list[Path]:
    """Write an image, its truth and its symbol table; gives the files.

    Args:
        image: what to write.
        folder: where to; it is made if need be.
        name: file name without an ending.
        form: key of :data:`process_anatomy.forge.machine.containers.FORMATS`.
    """
    ending, write = FORMATS[form]
    truth = image.truth
    pdb = image.symbols["metadata"]["windows"]["pdb"]["database"]
    symbols = folder / "symbols" / "windows" / pdb / f"{truth['pdb_guid']}-{truth['pdb_age']}.json.xz"
    symbols.parent.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}{ending}", folder / f"{name}.truth.json", symbols]
    with whole(paths[0]) as made:
        write(image, made)
    with whole(paths[1]) as made:
        made.write_text(json.dumps(truth, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    table = json.dumps(image.symbols, sort_keys=True, separators=(",", ":")).encode()
    with whole(paths[2]) as made:
        made.write_bytes(lzma.compress(table, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, preset=PRESET))
    return paths


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
        return _forged(arguments, program)
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _forged(arguments: Sequence[str] | None, program: str) -> int:
    description = "Make a practice image, its answer key and its symbol table."
    parser = _Parser(prog=program, description=description)
    parser.add_argument("--output", type=Path, default=Path("samples"), help="folder for the three files")
    parser.add_argument("--format", choices=sorted(FORMATS), default="bitmap", help="container of the memory")
    parser.add_argument("--scenario", choices=sorted(EVERY), default="lab", help="who runs")
    parser.add_argument("--build", choices=[*builds.names(), *partial.names()], default=DEFAULT_BUILD, metavar="LAYOUT",
                        help="kernel layout, for instance x64-19041-0")  # fmt: skip
    parser.add_argument(
        "--pae",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="x86: with or without physical address extension; else what the layout usually has",
    )
    parser.add_argument(
        "--five-levels", action="store_true", help="x64 from 26100 on: page tables of five levels (LA57)"
    )
    parser.add_argument("--compressed", type=float, default=0, metavar="SHARE",
                        help="share of the private pages that are in the compression store, from 0 to 1")  # fmt: skip
    parser.add_argument("--paged", type=float, default=0, metavar="SHARE",
                        help="share of the private pages that are in page files, which are written")  # fmt: skip
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="decides every address and frame")
    chosen = parser.parse_args(arguments)
    try:
        scenario = replace(EVERY[chosen.scenario], compressed=chosen.compressed, paged=chosen.paged)
        image = forge(scenario, chosen.seed, chosen.build, chosen.pae, chosen.five_levels)
    except (ValueError, LayoutError) as error:
        parser.error(str(error))
    number = image.truth["build"]
    name = f"lab-{number}-x86" if image.pointer_size == 4 else NAMES.get(number, f"lab-{number}")
    name = f"{name}-la57" if chosen.five_levels else name
    name = name.replace("lab", chosen.scenario, 1)
    try:
        written = write_all(image, chosen.output, name, chosen.format)
        if image.page_files:
            written += write_page_files(image, chosen.output / f"{name}-page-files")
    except OSError as error:
        parser.exit(1, f"{parser.prog}: {error.filename or chosen.output}: {error.strerror or error}\n")
    for path in written:
        print(f"{path} ({path.stat().st_size:,} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
