"""The catalogue of public images: TOML in, checked and typed records out.

Every datum is a table ``{ value = ..., source = "https://..." }``: what is published, and the page where it stands.
What nobody published is left out.  Unknown keys, malformed hashes and addresses are refused with one line.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from process_anatomy.errors import CatalogueError, RequestError
from process_anatomy.samples.names import plain_name

Value = TypeVar("Value", int, str)
Kind = TypeVar("Kind")
DATA = "public-images.toml"
DIGITS = {"sha512": 128, "sha256": 64, "sha1": 40, "md5": 32}
"""Hash to its hexadecimal digits, the strongest first."""
FORMS = ("zip", "7z", "tar", "gz", "xz", "bz2", "rar", "none")
"""How a download is packed; ``none``: it is the image.  What is listed may be more than can be unpacked."""
NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
PROCESS_ID_LIMIT = 1 << 31
BUILDS = range(2195, 100_000)


@dataclass(frozen=True)
class Published(Generic[Value]):
    """What is published, and where.

    Attributes:
        value: as it stands there; hashes in lower case.
        source: address of the page.
    """

    value: Value
    source: str


@dataclass(frozen=True)
class Download:
    """The file that is offered, packed or not.

    Attributes:
        file: its name.
        form: how it is packed, one of :data:`FORMS`.
        address: where a program can get it.
        by_hand: where only a person with a browser can get it.
        size: in bytes.
        password: of what is packed.
        hashes: name of the hash to its digits.
    """

    file: Published[str]
    form: str
    address: Published[str] | None = None
    by_hand: Published[str] | None = None
    size: Published[int] | None = None
    password: Published[str] | None = None
    hashes: Mapping[str, Published[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Memory:
    """The memory image itself.

    Attributes:
        file: its name, in the archive where it is packed.
        size: in bytes.
        hashes: name of the hash to its digits.
    """

    file: Published[str] | None = None
    size: Published[int] | None = None
    hashes: Mapping[str, Published[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ProcessFact:
    """A process that the image is said to hold.

    Attributes:
        name: of its program; the kernel keeps its first 14 or 15 characters.
        pid: process id.
        parent: process id of its parent, where that is published too.
        source: address of the page.
    """

    name: str
    pid: int
    parent: int | None
    source: str


@dataclass(frozen=True)
class PublicImage:
    """An entry of the catalogue.

    Attributes:
        name: what it is called on the command line.
        title: what people call it.
        page: the page that offers or lists it.
        windows: the Windows in it, in words.
        build: the build number of its kernel.
        download: the file that is offered.
        memory: the image.
        processes: processes that it is said to hold.
        known: what else it is known to contain.
    """

    name: str
    title: str
    page: str
    windows: Published[str] | None
    build: Published[int] | None
    download: Download | None
    memory: Memory
    processes: tuple[ProcessFact, ...]
    known: tuple[Published[str], ...]

    @property
    def facts(self) -> int:
        """How many facts can be checked by reading the image."""
        return len(self.processes) + (self.build is not None)


class _Table:
    """A TOML table that is taken apart key by key; what is left at the end is refused."""

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, dict):
            raise CatalogueError(f"{where} is not a table")
        self._left: dict[str, Any] = dict(values)
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def end(self) -> None:
        """All keys must have been taken."""
        if self._left:
            raise CatalogueError(f"{self.where}: unknown key {sorted(self._left)[0]!r}")

    def take(self, key: str, kind: type[Kind]) -> Kind:
        """A value that must be there, of a type; texts have something in them and one line."""
        if key not in self._left:
            raise CatalogueError(f"{self.where}: {key} is missing")
        value = self._left.pop(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise CatalogueError(f"{self.where}: {key} is no {kind.__name__}")
        text: object = value
        if isinstance(text, str) and (text != text.strip() or not text or not text.isprintable()):
            raise CatalogueError(f"{self.where}: {key} is not one line of text")
        return value

    def tables(self, key: str) -> Iterator[_Table]:
        """The tables of an array, none where it is missing."""
        found = self._left.pop(key, [])
        if not isinstance(found, list):
            raise CatalogueError(f"{self.where}: {key} is no array of tables")
        for number, values in enumerate(found, 1):
            yield _Table(values, f"{self.where}, {key} {number}")

    def table(self, key: str) -> _Table:
        """A table that must be there."""
        return _Table(self.take(key, dict), f"{self.where}, {key}")

    def address(self, key: str) -> str:
        """An address of the web."""
        return _address(self.take(key, str), f"{self.where}: {key}")

    def published(self, key: str, kind: type[Value]) -> Published[Value] | None:
        """What is published under a key, with its source."""
        if key not in self:
            return None
        table = self.table(key)
        found = Published(table.take("value", kind), table.address("source"))
        table.end()
        return found

    def hashes(self) -> dict[str, Published[str]]:
        """The hashes of a file, the strongest first."""
        found = {}
        for name, digits in DIGITS.items():
            if (given := self.published(name, str)) is not None:
                digest = given.value.lower()
                if not re.fullmatch(f"[0-9a-f]{{{digits}}}", digest):
                    raise CatalogueError(f"{self.where}: {name} is not {digits} hexadecimal digits")
                found[name] = Published(digest, given.source)
        return found

    def size(self) -> Published[int] | None:
        """The size of a file."""
        given = self.published("size", int)
        if given is not None and given.value <= 0:
            raise CatalogueError(f"{self.where}: size is not positive")
        return given

    def file(self, name: str) -> str:
        """A name that can be a file's on every system."""
        if plain_name(name) != name:
            raise CatalogueError(f"{self.where}: {name!r} is no plain file name")
        return name


def _address(text: str, where: str) -> str:
    """An address with a host, http or https, that no part of is hidden in."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
        _ = parts.port
    except ValueError:
        usable = False
    if not usable or any(c.isspace() or not c.isprintable() for c in text):
        raise CatalogueError(f"{where} is no address of the web: {text!r}")
    return text


def _download(table: _Table) -> Download:
    form = table.take("form", str)
    if form not in FORMS:
        raise CatalogueError(f"{table.where}: form is none of {', '.join(FORMS)}")
    file = table.published("file", str)
    if file is None:
        raise CatalogueError(f"{table.where}: file is missing")
    table.file(file.value)
    address, by_hand = table.published("address", str), table.published("by_hand", str)
    for given, key in ((address, "address"), (by_hand, "by_hand")):
        if given is not None:
            _address(given.value, f"{table.where}: {key}")
    found = Download(
        file=file, form=form, address=address, by_hand=by_hand, size=table.size(),
        password=table.published("password", str), hashes=table.hashes(),
    )  # fmt: skip
    table.end()
    return found


def _memory(table: _Table) -> Memory:
    file = table.published("file", str)
    if file is not None:
        table.file(file.value)
    found = Memory(file, table.size(), table.hashes())
    table.end()
    return found


def _process(table: _Table) -> ProcessFact:
    found = ProcessFact(
        table.take("name", str), table.take("pid", int), table.take("parent", int) if "parent" in table else None,
        table.address("source"),
    )  # fmt: skip
    if not (0 <= found.pid < PROCESS_ID_LIMIT and 0 <= (found.parent or 0) < PROCESS_ID_LIMIT):
        raise CatalogueError(f"{table.where}: no process has such an id")
    table.end()
    return found


def _known(table: _Table) -> Published[str]:
    found = Published(table.take("value", str), table.address("source"))
    table.end()
    return found


def _image(values: object, number: int) -> PublicImage:
    table = _Table(values, f"image {number}")
    name = table.take("name", str)
    if not NAME.fullmatch(name):
        raise CatalogueError(f"image {number}: {name!r} is no name (small letters, digits, - and .)")
    table.where = name
    build = table.published("build", int)
    if build is not None and build.value not in BUILDS:
        raise CatalogueError(f"{name}: no Windows has the build {build.value}")
    found = PublicImage(
        name=name, title=table.take("title", str), page=table.address("page"), windows=table.published("windows", str),
        build=build, download=_download(table.table("download")) if "download" in table else None,
        memory=_memory(table.table("memory")) if "memory" in table else Memory(),
        processes=tuple(map(_process, table.tables("process"))), known=tuple(map(_known, table.tables("known"))),
    )  # fmt: skip
    table.end()
    if found.download is not None and found.download.form == "none" and found.memory != Memory():
        raise CatalogueError(f"{name}: a download that is not packed is the image, so memory has nothing to say")
    return found


def read(text: str) -> tuple[PublicImage, ...]:
    """The entries of a catalogue.

    Raises:
        CatalogueError: it is malformed; one line says where.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CatalogueError(f"the catalogue is no TOML: {error}") from None
    images = values.pop("image", None)
    if values or not isinstance(images, list):
        raise CatalogueError("the catalogue has something other than [[image]] tables in it")
    found = tuple(_image(entry, number) for number, entry in enumerate(images, 1))
    names = [image.name for image in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise CatalogueError(f"two images are called {twice[0]}")
    return found


def load(path: Path | None = None) -> tuple[PublicImage, ...]:
    """The entries of a catalogue, of the one that ships where no file is named.

    Raises:
        CatalogueError: it is missing or malformed; one line says where.
    """
    shipped = files(__package__).joinpath(DATA)
    if path is None and not shipped.is_file():  # a checkout, not a wheel
        path = Path(__file__).resolve().parents[2] / "samples" / DATA
    try:
        return read(shipped.read_text("utf-8") if path is None else path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"the catalogue {path or DATA} cannot be read: {error}") from None


def named(images: tuple[PublicImage, ...], name: str) -> PublicImage:
    """The entry of a name.

    Raises:
        RequestError: there is none.
    """
    for image in images:
        if image.name == name:
            return image
    close = [image.name for image in images if name and name.lower() in image.name]
    hint = f"; do you mean {', '.join(close)}?" if close else "; anatomy samples list shows all"
    raise RequestError(f"no public image is called {name}{hint}")
