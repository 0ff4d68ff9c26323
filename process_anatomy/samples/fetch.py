"""A public image from its address, or from a file that somebody brought, to a checked image in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from process_anatomy.errors import SampleError
from process_anatomy.samples import download as web
from process_anatomy.samples.catalogue import Download, Memory, PublicImage
from process_anatomy.samples.names import plain_name
from process_anatomy.samples.progress import Progress, silent
from process_anatomy.samples.unpack import unpack
from process_anatomy.samples.verdicts import Outcome
from process_anatomy.samples.verify import OURS, check_file, digests

Tell = Callable[[str], None]
"""Told each thing that was done or found, in one line."""


@dataclass(frozen=True)
class Fetching:
    """How images are fetched.

    Attributes:
        folder: where to; each image gets a folder of its own name in it.
        keep_archive: whether what was downloaded stays beside what was unpacked from it.
        timeout: seconds that a server may stay silent.
        pause: seconds before another attempt.
        progress: shows how far the work is.
        tell: told what was done.
    """

    folder: Path
    keep_archive: bool = False
    timeout: float = web.TIMEOUT
    pause: float = web.PAUSE
    progress: Progress = silent
    tell: Tell = print

    def place(self, image: PublicImage) -> Path:
        """The file that an image is, or will be."""
        if image.memory.file is not None:
            name = image.memory.file.value
        elif image.download is not None and image.download.form == "none":
            name = image.download.file.value
        else:
            name = f"{image.name}.raw"
        return self.folder / image.name / plain_name(name)

    def fetch(self, image: PublicImage, brought: Path | None = None) -> Path:
        """Bring an image here: download or take what was brought, check, unpack, check again.

        Args:
            image: which.
            brought: its download, where somebody has it already; it is left as it is.

        Raises:
            SampleError: it cannot be had, or is not what is published; nothing takes the image's name then.
        """
        target = self.place(image)
        if target.exists():
            self.tell(f"{target}: it is there already")
            return target
        offered = image.download
        if offered is None:
            raise SampleError(
                f"no download of it is published; get it from {image.page}, then: "
                f"anatomy samples verify FILE --as {image.name}"
            )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            archive = brought if brought is not None else self._downloaded(image, offered, target.parent)
            if brought is not None:
                self._check(offered, archive)
            if offered.form != "none":
                self._unpack(image, offered, archive, target)
                if brought is None and not self.keep_archive:
                    archive.unlink()
            elif brought is not None:
                self._copy(brought, target)
        except OSError as error:
            raise SampleError(f"{error.filename or target}: {error.strerror or error}") from None
        return target

    def _downloaded(self, image: PublicImage, offered: Download, folder: Path) -> Path:
        """The download, checked; it takes its name only then."""
        name = offered.file.value
        path = folder / name
        if path.exists():
            self._check(offered, path)
            return path
        if offered.address is None:
            where = offered.by_hand.value if offered.by_hand is not None else image.page
            raise SampleError(
                f"no address is published that a program could use; download it from {where}, then: "
                f"anatomy samples fetch {image.name} --archive FILE"
            )
        self.tell(f"{name}: from {offered.address.value}")
        for _ in range(2):
            job = web.Download(
                offered.address.value, path, size=None if offered.size is None else offered.size.value,
                provable=bool(offered.hashes), timeout=self.timeout, pause=self.pause, progress=self.progress,
            )  # fmt: skip
            part = job.run()
            try:
                self._check(offered, part, name)
            except SampleError as error:
                if not job.resumed:
                    raise SampleError(f"{error}; it is kept as {job.reject()}") from None
                self.tell(f"{name}: what was resumed does not fit together, once more from the beginning")
                job.done()
                continue
            part.replace(path)
            job.done()
            return path
        raise SampleError(f"{name} changes while it is downloaded")

    def _unpack(self, image: PublicImage, offered: Download, archive: Path, target: Path) -> None:
        """The image out of its archive, checked before it takes its name."""
        memory, half = image.memory, target.with_name(f"{target.name}.unpacking")
        member = unpack(
            archive, offered.form, half, wanted=None if memory.file is None else memory.file.value,
            password=None if offered.password is None else offered.password.value,
            size=None if memory.size is None else memory.size.value, progress=self.progress,
        )  # fmt: skip
        try:
            self.tell(f"{target.name}: unpacked {plain_name(member.path)}, {half.stat().st_size:,} bytes")
            self._check(memory, half, target.name)
            half.replace(target)
        finally:
            half.unlink(missing_ok=True)

    def _copy(self, brought: Path, target: Path) -> None:
        """An image that somebody brought, under its name."""
        half = target.with_name(f"{target.name}.copying")
        half.unlink(missing_ok=True)  # what lies there may be a link
        try:
            shutil.copyfile(brought, half)
            half.replace(target)
        finally:
            half.unlink(missing_ok=True)

    def _check(self, published: Download | Memory, path: Path, name: str = "") -> None:
        """Tell the verdicts on a file; it must be as published.

        Raises:
            SampleError: it is not.
        """
        name = name or path.name
        verdicts = check_file(published, path, self.progress)
        for verdict in verdicts:
            self.tell(f"{name}: {verdict}")
        if wrong := [verdict for verdict in verdicts if verdict.outcome is not Outcome.SAME]:
            raise SampleError(f"{name} is not the published file: {wrong[0]}")
        if not published.hashes:
            computed = digests(path, [OURS], self.progress)[OURS]
            self.tell(f"{name}: no hash is published to check it by; its {OURS} is {computed}")
