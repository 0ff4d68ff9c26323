"""An image out of its archive, in a folder of the case."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from process_anatomy.errors import SampleError
from process_anatomy.fleet.found import PAIRS
from process_anatomy.samples.names import plain_name
from process_anatomy.samples.packed import packed_as
from process_anatomy.samples.progress import Progress, silent
from process_anatomy.samples.unpack import unpack


def unpack_here(archive: Path, folder: Path, limit: int, ratio: int, progress: Progress = silent) -> str:
    """Write the image in an archive, and what belongs to it, into a folder.

    Args:
        archive: the file.
        folder: where it goes.
        limit: bytes that it may have.
        ratio: how many times as large as the archive it may be.
        progress: is told how far it is.

    Returns:
        The path that it has in the archive; its file has the last part of it, in plain characters.

    Raises:
        SampleError: the archive cannot be read, holds no image, or more than is allowed.
    """
    form = packed_as(archive)
    if form is None:
        raise SampleError(f"{archive.name} is no archive")
    target = folder / "unpacking"
    member = unpack(archive, form, target, limit=limit, ratio=ratio, beside=PAIRS, progress=progress)
    name = PurePosixPath(plain_name(member.path))
    name = name.with_suffix(name.suffix.lower())  # Volatility knows a pair by endings in lower case alone
    others = [each for each in folder.iterdir() if each.name.startswith(f"{target.name}.")]
    for each in others:
        each.rename(folder / name.with_suffix(each.suffix))
    target.rename(folder / name)
    return member.path


def image_in(folder: Path) -> Path:
    """The image that :func:`unpack_here` wrote into a folder."""
    files = sorted(folder.iterdir(), key=lambda path: (path.suffix not in PAIRS, path.name))
    return files[0]
