"""One file out of an archive that nobody vouches for.

Only the image is written, under a name of ours and into one folder: no member's path is followed, links and devices
are no candidates, and what a member grows to is counted as it is written, whatever the archive says of itself.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from process_anatomy.errors import SampleError
from process_anatomy.samples.names import last_part
from process_anatomy.samples.progress import Progress, Step, silent

CHUNK = 1 << 20
MEMBER_LIMIT = 100_000
"""Members of an archive that are looked at."""
SIZE_LIMIT = 1 << 36
"""Bytes of an image whose size nobody published."""
RESERVE = 1 << 24
"""Bytes that stay free on the disk."""
NAMES_SHOWN = 5
DEFLATE64, AES = 9, 99
"""Compression methods of ZIP (APPNOTE 4.4.5): what Windows packs files beyond 2 GB with, and WinZip's encryption."""
LOCAL_HEADER, LOCAL_NAME, LOCAL_EXTRA = 30, 26, 28
"""Of ZIP's local header: its size, and where the lengths of the name and of the extra field stand."""


@dataclass(frozen=True)
class Member:
    """A regular file in an archive.

    Attributes:
        path: as the archive has it.
        size: as the archive tells it; ``None`` where it does not.
        handle: what the archive's reader knows it by.
    """

    path: str
    size: int | None
    handle: Any

    @property
    def name(self) -> str:
        """The last part of its path."""
        return last_part(self.path)


class _Archive(ABC):
    """An archive that was opened: its regular files, and the bytes of each."""

    @abstractmethod
    def members(self) -> Iterable[Member]:
        """The regular files in it."""

    @abstractmethod
    def copy(self, member: Member, write: Callable[[bytes], None]) -> None:
        """Give the bytes of a file, piece by piece."""


def _pour(source: Any, write: Callable[[bytes], None]) -> None:
    while data := source.read(CHUNK):
        write(data)


class _Zip(_Archive):
    def __init__(self, archive: Any, password: bytes | None) -> None:
        self._archive, self._password = archive, password

    def members(self) -> Iterator[Member]:
        for info in self._archive.infolist():
            mode = info.external_attr >> 16
            if not info.is_dir() and (stat.S_IFMT(mode) in (0, stat.S_IFREG)):
                yield Member(info.filename, info.file_size, info)

    def copy(self, member: Member, write: Callable[[bytes], None]) -> None:
        info = member.handle
        if info.flag_bits & 1 and self._password is None:
            raise SampleError("it is encrypted, and no password is published")
        if info.compress_type == DEFLATE64:
            self._inflate64(info, write)
            return
        with self._archive.open(info, pwd=self._password) as source:
            _pour(source, write)

    def _inflate64(self, info: zipfile.ZipInfo, write: Callable[[bytes], None]) -> None:
        """Deflate64, which the standard library does not know; checked against the archive's CRC as there."""
        if info.flag_bits & 1:
            raise SampleError("it is packed with Deflate64 and encrypted, which cannot be read here")
        inflater = _library("inflate64").Inflater()
        file: BinaryIO = self._archive.fp
        file.seek(info.header_offset)
        header = file.read(LOCAL_HEADER)
        if len(header) < LOCAL_HEADER or header[:4] != b"PK\3\4":
            raise zipfile.BadZipFile("a local header is missing")
        name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (LOCAL_NAME, LOCAL_EXTRA))
        file.seek(info.header_offset + LOCAL_HEADER + name + extra)
        left, check, size = info.compress_size, 0, 0
        while left and not inflater.eof:
            packed = file.read(min(left, CHUNK >> 4))
            if not packed:
                raise zipfile.BadZipFile("the archive ends before its member does")
            left -= len(packed)
            data = inflater.inflate(packed)
            check, size = zlib.crc32(data, check), size + len(data)
            write(data)
        if size != info.file_size or check != info.CRC:
            raise zipfile.BadZipFile(f"a member of {info.file_size:,} bytes is damaged")


class _SevenZip(_Archive):
    def __init__(self, archive: Any) -> None:
        self._archive = archive

    def members(self) -> Iterator[Member]:
        for info in self._archive.list():
            if info.is_file:
                yield Member(info.filename, info.uncompressed, info.filename)

    def copy(self, member: Member, write: Callable[[bytes], None]) -> None:
        from py7zr.io import Py7zIO, WriterFactory

        class Writer(Py7zIO):
            """Hands on what comes; py7zr asks for nothing back."""

            def write(self, s: bytes | bytearray) -> int:
                write(bytes(s))
                return len(s)

            def read(self, size: int | None = None) -> bytes:
                return b""

            def seek(self, offset: int, whence: int = 0) -> int:
                return 0

            def flush(self) -> None:
                pass

            def size(self) -> int:
                return 0

        class Factory(WriterFactory):
            """One writer for the one file that is wanted."""

            def create(self, filename: str) -> Py7zIO:
                return Writer()

        self._archive.reset()
        self._archive.reset()
        self._archive.extract(targets=[member.handle], factory=Factory())


class _Tar(_Archive):
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def members(self) -> Iterator[Member]:
        for info in self._archive:
            if info.isreg():
                yield Member(info.name, info.size, info)

    def copy(self, member: Member, write: Callable[[bytes], None]) -> None:
        source = self._archive.extractfile(member.handle)
        if source is not None:
            with source:
                _pour(source, write)


class _Stream(_Archive):
    """A single packed file, without a name of its own that could be trusted."""

    def __init__(self, source: Any, name: str) -> None:
        self._source, self._name = source, name

    def members(self) -> Iterator[Member]:
        yield Member(self._name, None, None)

    def copy(self, member: Member, write: Callable[[bytes], None]) -> None:
        _pour(self._source, write)


def _library(name: str) -> Any:
    """An optional library."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise SampleError(f"it needs {name}: pip install 'process-anatomy[samples]'") from None


@contextmanager
def _opened(archive: Path, form: str, password: str | None) -> Iterator[_Archive]:
    """An archive of a form."""
    secret = None if password is None else password.encode()
    if form == "zip":
        with zipfile.ZipFile(archive) as plain:
            encrypted = any(info.compress_type == AES for info in plain.infolist())
            if not encrypted:
                yield _Zip(plain, secret)
        if encrypted:
            with _library("pyzipper").AESZipFile(archive) as sealed:
                yield _Zip(sealed, secret)
    elif form == "7z":
        library = _library("py7zr")
        with archive.open("rb") as file, library.SevenZipFile(file, password=password) as seven:
            if seven.needs_password() and password is None:
                raise SampleError("it is encrypted, and no password is published")
            yield _SevenZip(seven)
    elif form == "tar":
        with tarfile.open(archive) as tar:
            yield _Tar(tar)
    elif form in ("gz", "xz", "bz2"):
        opener: Any = {"gz": gzip.open, "xz": lzma.open, "bz2": bz2.open}[form]
        with opener(archive, "rb") as source:
            yield _Stream(source, archive.name.removesuffix(f".{form}"))
    else:
        raise SampleError(f"{form} archives cannot be unpacked here; other tools can")


def _listed(members: Iterable[Member]) -> list[Member]:
    """The members, unless they are more than anybody looks at."""
    found: list[Member] = []
    for member in members:
        found.append(member)
        if len(found) > MEMBER_LIMIT:
            raise SampleError(f"it has more than {MEMBER_LIMIT:,} members")
    return found


def _chosen(found: Sequence[Member], wanted: str | None) -> Member:
    """The member of the published name, else the largest one."""
    if wanted is not None and len(found) != 1:
        fitting = [member for member in found if member.name.casefold() == wanted.casefold()]
        if len(fitting) != 1:
            names = ", ".join(sorted({member.name for member in found})[:NAMES_SHOWN]) or "no file at all"
            raise SampleError(f"it holds {len(fitting) or 'no'} file of the name {wanted}, but {names}")
        return fitting[0]
    if not found:
        raise SampleError("it holds no file at all")
    return max(found, key=lambda member: member.size or 0)


def _beside(
    chosen: Member, members: Sequence[Member], target: Path, beside: Mapping[str, Sequence[str]]
) -> Iterator[tuple[Member, Path]]:
    """Members that belong to the chosen one, in its folder and of its name up to the ending, and where each goes."""
    path = chosen.path.casefold()
    for ending in (each for each in beside if path.endswith(each)):
        places = {f"{path.removesuffix(ending)}{other}": f"{target.name}{other}" for other in beside[ending]}
        for member in members:
            name = places.pop(member.path.casefold(), None)
            if name is not None:
                yield member, target.with_name(name)


class _Bounded:
    """Writes to a file, up to a number of bytes; pieces that are all zero take no room on the disk.

    Args:
        file: where to.
        limit: bytes that there can be at most, and what is said of more.
        expected: bytes that there will be, where that is known.
        step: is told how far it is.
    """

    def __init__(self, file: BinaryIO, limit: tuple[int, str], expected: int | None, step: Step) -> None:
        self._file, (self._limit, self._words), self._expected, self._step = file, limit, expected, step
        self.size = 0

    def __call__(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise SampleError(self._words)
        if data.count(0) == len(data):
            self._file.seek(self.size)
        else:
            self._file.write(data)
        self._step(self.size, self._expected)


def unpack(
    archive: Path, form: str, target: Path, *, wanted: str | None = None, password: str | None = None,
    size: int | None = None, limit: int | None = None, ratio: int | None = None,
    beside: Mapping[str, Sequence[str]] = MappingProxyType({}), progress: Progress = silent,
) -> Member:  # fmt: skip
    """Write the image in an archive to a file.

    Args:
        archive: the file.
        form: how it is packed, one of :data:`process_anatomy.samples.catalogue.FORMS`.
        target: the file to write; it is removed where unpacking fails.
        wanted: the published name of the image; without one the largest file is taken.
        password: of the archive.
        size: published bytes of the image, which then are the most that are written.
        limit: bytes that are written at most where no size is published, :data:`SIZE_LIMIT` where nothing is said.
        ratio: how many times as large as the archive a file may become, where that is bounded.
        beside: ending of an image's name, in lower case, to those of files that belong to it; they are written too, as
            the target with their ending behind its name.
        progress: who is told.

    Returns:
        The member that was taken.

    Raises:
        SampleError: the archive cannot be read or holds no such file; one line says which.
    """
    most = size if size is not None else SIZE_LIMIT if limit is None else limit
    limits = [(most, f"it unpacks to more than the {most:,} bytes that there can be")]
    if ratio is not None:
        limits.append((ratio * archive.stat().st_size, f"it unpacks to more than {ratio:,} times its own size"))
    begun = [target]
    complete = False
    try:
        with _opened(archive, form, password) as opened:
            members = _listed(opened.members())
            chosen = _chosen(members, wanted)
            for member, place in [(chosen, target), *_beside(chosen, members, target, beside)]:
                begun.append(place)
                with progress(place.name) as step:
                    _write(opened, member, place, size if member is chosen else None, limits, step)
        complete = True
    except Exception as error:  # noqa: BLE001  what nobody vouches for may break a library in ways that it does not name
        raise SampleError(f"{archive.name} cannot be unpacked: {_why(error)}") from None
    finally:
        for place in () if complete else begun:
            place.unlink(missing_ok=True)
    return chosen


def _write(
    opened: _Archive, member: Member, place: Path, size: int | None, limits: Sequence[tuple[int, str]], step: Step
) -> None:
    """Write a member to a file, within the limits and what is free on the disk."""
    free = shutil.disk_usage(place.parent).free - RESERVE
    told = member.size if size is None else size
    if told is not None and told > free:
        raise SampleError(f"it unpacks to {told:,} bytes, and {place.parent} has {max(free, 0):,} free")
    most, words = min([*limits, (free, f"it unpacks to more than the {free:,} bytes that there can be")])
    if told is not None and told > most:
        raise SampleError(words)
    place.unlink(missing_ok=True)  # what lies there may be a link
    with place.open("xb") as file:
        bounded = _Bounded(file, (most, words), told, step)
        opened.copy(member, bounded)
        file.truncate(bounded.size)
    if not bounded.size:
        raise SampleError("the file in it is empty")


def _why(error: Exception) -> str:
    """What went wrong, in one line: the error's own words where they were made for a reader."""
    words = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    spoken = (SampleError, OSError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError)
    return words if words and isinstance(error, spoken) else f"{type(error).__name__}: {words}".rstrip(": ")
