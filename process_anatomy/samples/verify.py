"""Is a file the published one?  Its size, its hashes, and the Windows in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from process_anatomy.errors import SampleError
from process_anatomy.samples.catalogue import DIGITS, Download, Memory, PublicImage
from process_anatomy.samples.progress import Progress, silent
from process_anatomy.samples.verdicts import Outcome, Verdict

CHUNK = 1 << 20
OURS = "sha256"
"""The hash that is told where none is published."""


def digests(path: Path, names: Iterable[str], progress: Progress = silent) -> dict[str, str]:
    """Hashes of a file, all in one reading.

    Raises:
        SampleError: it cannot be read.
    """
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    done = 0
    try:
        with path.open("rb") as file, progress(f"hash of {path.name}") as step:
            total = path.stat().st_size
            while data := file.read(CHUNK):
                for digest in sums.values():
                    digest.update(data)
                done += len(data)
                step(done, total)
    except OSError as error:
        raise SampleError(f"{path} cannot be read: {error.strerror or error}") from None
    return {name: digest.hexdigest() for name, digest in sums.items()}


def check_file(published: Download | Memory, path: Path, progress: Progress = silent) -> list[Verdict]:
    """A verdict on the size and on each published hash of a file.

    Raises:
        SampleError: it cannot be read.
    """
    found = []
    if published.size is not None:
        size, given = path.stat().st_size, published.size
        reason = "" if size == given.value else f"it has {size:,}"
        outcome = Outcome.DIFFERS if reason else Outcome.SAME
        found.append(Verdict(f"{given.value:,} bytes", outcome, reason, given.source))
    if published.hashes:
        computed = digests(path, published.hashes, progress)
        for name, hashed in published.hashes.items():
            reason = "" if computed[name] == hashed.value else f"it is {computed[name]}"
            outcome = Outcome.DIFFERS if reason else Outcome.SAME
            found.append(Verdict(f"{name} {hashed.value}", outcome, reason, hashed.source))
    return found


def published_of(image: PublicImage, path: Path) -> Download | Memory:
    """What of an entry a file is to be compared with: its download, or the image."""
    return image.download if image.download is not None and is_download(image, path) else image.memory


def recognised(images: tuple[PublicImage, ...], path: Path, progress: Progress = silent) -> PublicImage | None:
    """The entry that a file belongs to: by a published hash, else by its name where only one entry has that name."""
    used = {name for image in images for part in _parts(image) for name in part.hashes}
    computed = digests(path, (name for name in DIGITS if name in used), progress)
    for image in images:
        if any(_has(part.hashes, computed) for part in _parts(image)):
            return image
    fitting = [image for image in images if path.name.casefold() in _names(image)]
    return fitting[0] if len(fitting) == 1 else None


def is_download(image: PublicImage, path: Path) -> bool:
    """Whether a file is the download of an entry rather than the image in it, going by its name, then its size."""
    download, memory = image.download, image.memory
    if download is None or download.form == "none":
        return download is not None
    if memory.file is not None and path.name.casefold() == memory.file.value.casefold():
        return False
    if path.name.casefold() == download.file.value.casefold():
        return True
    return download.size is not None and path.stat().st_size == download.size.value


def _parts(image: PublicImage) -> list[Download | Memory]:
    return [part for part in (image.download, image.memory) if part is not None]


def _has(published: Mapping[str, object], computed: Mapping[str, str]) -> bool:
    return any(getattr(value, "value", None) == computed[name] for name, value in published.items())


def _names(image: PublicImage) -> set[str]:
    names = [image.download.file.value] if image.download is not None else []
    names += [image.memory.file.value] if image.memory.file is not None else []
    return {name.casefold() for name in names}
