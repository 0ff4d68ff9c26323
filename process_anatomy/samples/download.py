"""A file from the web, resumed where it was broken off.

What has come is kept in ``NAME.part``, what the server said of it in ``NAME.part.json``.  The next attempt asks for the
rest, on condition that the file is still the same (RFC 9110: ``Range`` and ``If-Range`` with the entity tag or the
date).  Where a server gives neither, the rest is asked for only if a published hash will prove the whole.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import string
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit

from process_anatomy.errors import SampleError
from process_anatomy.samples.progress import Progress, Step, silent

CHUNK = 1 << 18
TIMEOUT = 60.0
"""Seconds that a server may stay silent."""
ATTEMPTS = 5
"""Attempts in a row that may bring nothing."""
CONNECTIONS = 50
"""Connections for one file, however much each brings."""
LEAST_RATE = 64
"""Bytes a second, over a minute, below which a connection counts as one that brings nothing."""
PAUSE = 2.0
SIZE_LIMIT = 1 << 37
"""Bytes of a file whose size nobody told."""
RESERVE = 1 << 24
"""Bytes that stay free on the disk."""
LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that another attempt may be spared."""
MOVED = frozenset({301, 302, 303, 307, 308})
REDIRECTIONS = 10
AGENT = "process-anatomy (memory forensics teaching samples)"


class _Lost(Exception):
    """The connection gave less than there is; another attempt may give the rest."""


@dataclass(frozen=True)
class _Said:
    """What the server said of the file: address that was asked, entity tag, date, bytes of the whole."""

    address: str
    etag: str = ""
    date: str = ""
    size: int | None = None

    @property
    def condition(self) -> str:
        """What may stand in ``If-Range``: a strong entity tag, else the date."""
        return self.etag if self.etag.startswith('"') else self.date


class _Part:
    """The file as far as it has come, and what was said of it."""

    def __init__(self, target: Path, address: str) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._notes = target.with_name(f"{target.name}.part.json")
        try:
            known: dict[str, Any] = json.loads(self._notes.read_text("utf-8"))
            said = _Said(**known)
            usable = isinstance(said.etag, str) and isinstance(said.date, str) and isinstance(said.size, int | None)
        except (OSError, ValueError, TypeError):
            usable = False
        self.said = said if usable and said.address == address else _Said(address)
        linked = self.path.is_symlink() or self._notes.is_symlink()
        if linked or not usable or self.said != said:  # of another file, or of nobody knows which
            self.forget()

    @property
    def length(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def note(self, said: _Said) -> None:
        """Keep what the server said."""
        self.said = said
        self._notes.write_text(json.dumps(asdict(said)), "utf-8")

    def forget(self) -> None:
        """Begin again."""
        self.said = _Said(self.said.address)
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)


def _opener() -> urllib.request.OpenerDirector:
    """What opens http and https, and nothing else; redirections are errors to it."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(), urllib.request.UnknownHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener


def _onward(address: str, location: str | None, plain: bool) -> str:
    """Where a redirection leads: to the web only, and from an encrypted connection to a plain one only if ``plain``.

    Volatility takes every handler of redirections in the process for one of its own, so there is none here.
    """
    try:
        found = quote(urljoin(address, location or ""), encoding="iso-8859-1", safe=string.punctuation)
        parts = urlsplit(found)
        usable = bool(location) and parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        usable = False
    if not usable:
        raise SampleError(f"{_host(address)} redirects to what is no address of the web")
    if urlsplit(address).scheme == "https" and parts.scheme == "http" and not plain:
        raise SampleError(f"{_host(address)} redirects to a connection without encryption, and no hash is published")
    return found


def _host(address: str) -> str:
    return urlsplit(address).hostname or address


def _number(text: str | None) -> int | None:
    """A count of bytes in a header; ``None`` where it is missing or no count."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,15}", text.strip()) else None


def _range(headers: Any) -> tuple[int | None, int | None]:
    """First byte and bytes of the whole, of ``Content-Range``."""
    found = re.fullmatch(r"bytes (?:(\d{1,15})-\d{1,15}|\*)/(\d{1,15}|\*)", headers.get("Content-Range", "").strip())
    return (_number(found[1]), _number(found[2])) if found else (None, None)


class Download:
    """A download of one file.

    Args:
        address: http or https.
        target: the file that it is to become; what comes is kept beside it.
        size: bytes that are published, if any.
        provable: whether a hash is published that proves the whole.
        timeout: seconds that the server may stay silent.
        pause: seconds before another attempt.
        progress: who is told.
    """

    def __init__(
        self, address: str, target: Path, *, size: int | None = None, provable: bool = False,
        timeout: float = TIMEOUT, pause: float = PAUSE, progress: Progress = silent,
    ) -> None:  # fmt: skip
        self.address, self.target = address, target
        self._size, self._provable = size, provable
        self._timeout, self._pause, self._progress = timeout, pause, progress
        self._opener = _opener()
        self.resumed = False
        """Whether what came is of more than one answer."""

    def run(self) -> Path:
        """Bring the file; gives where it is, which is not yet its own name.

        Raises:
            SampleError: it cannot be had; what has come is kept, except where the file is another one now.
        """
        part = _Part(self.target, self.address)
        left = ATTEMPTS
        with self._progress(self.target.name) as step:
            for _ in range(CONNECTIONS):
                before = part.length
                try:
                    self._attempt(part, step)
                except _Lost as lost:
                    left = ATTEMPTS if part.length - before > LEAST_RATE * self._timeout else left - 1
                    problem = str(lost)
                else:
                    return part.path
                if left <= 0:
                    break
                time.sleep(self._pause)
        kept = f"; {part.length:,} bytes are kept, the same command goes on from there" if part.length else ""
        raise SampleError(f"{_host(self.address)}: {problem}{kept}")

    def done(self) -> None:
        """The file has its own name now: what was noted of the download goes."""
        _Part(self.target, self.address).forget()

    def reject(self) -> Path:
        """What came is not what was asked for: it is kept under another name, and the next attempt begins again."""
        aside = self.target.with_name(f"{self.target.name}.rejected")
        part = _Part(self.target, self.address)
        part.path.replace(aside)
        part.forget()
        return aside

    def _attempt(self, part: _Part, step: Step) -> None:
        """One connection: the rest of the file, or all of it where it cannot be resumed."""
        if part.length and not (part.said.condition or self._provable):
            part.forget()
        offset = part.length
        if offset and offset == part.said.size:
            return
        headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if part.said.condition:
                headers["If-Range"] = part.said.condition
        try:
            answer = self._open(headers)
        except HTTPError as error:
            with error:
                self._refused(part, error, offset)
            return
        except URLError as error:
            raise _Lost(_why(error.reason)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _Lost(_why(error)) from None
        with answer:
            self._take(part, answer, offset, step)

    def _open(self, headers: dict[str, str]) -> Any:
        """The answer where the redirections end."""
        address = self.address
        for _ in range(REDIRECTIONS):
            request = urllib.request.Request(address, headers=headers)  # noqa: S310  _opener opens the web only
            try:
                return self._opener.open(request, timeout=self._timeout)
            except HTTPError as error:
                if error.code not in MOVED:
                    raise
                with error:
                    address = _onward(address, error.headers.get("Location"), self._provable)
        raise SampleError(f"{_host(self.address)} redirects in a circle: {self.address}")

    def _refused(self, part: _Part, error: HTTPError, offset: int) -> None:
        """An answer that is no file."""
        if error.code == 416 and offset:
            if _range(error.headers)[1] == offset:
                return  # all of it is here already
            part.forget()
            raise _Lost("the file is another one now than when the download began")
        words = _line(f"answers {error.code} {error.reason or ''}")
        if error.code in LATER:
            raise _Lost(words)
        raise SampleError(f"{_host(self.address)} {words}: {self.address}")

    def _take(self, part: _Part, answer: Any, offset: int, step: Step) -> None:
        """The body of an answer, onto what is there or in its place."""
        said = _Said(self.address, answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", ""))
        length = _number(answer.headers.get("Content-Length"))
        if answer.status == 206 and offset:
            first, total = _range(answer.headers)
            same = (part.said.etag or said.etag) == said.etag and (part.said.size or total) == total
            if first != offset or not same:
                part.forget()
                raise _Lost("the file is another one now than when the download began")
            self.resumed = True
        elif answer.status == 200:
            if "html" in answer.headers.get_content_type():
                raise SampleError(
                    f"{_host(self.address)} answers with a web page, not a file; open it in a browser: {self.address}"
                )
            offset, total = 0, length
        else:
            raise SampleError(f"{_host(self.address)} answers {answer.status}, which is no file: {self.address}")
        if self._size is not None and total is not None and total != self._size:
            raise SampleError(f"{_host(self.address)} offers {total:,} bytes, published are {self._size:,}")
        limit = total if total is not None else self._size or SIZE_LIMIT
        self._room(limit - offset if total is not None else 0)
        try:
            part.note(_Said(said.address, said.etag, said.date, total))
            with part.path.open("r+b" if offset else "wb") as file:
                file.seek(offset)
                file.truncate()
                offset = self._copy(answer, file, offset, total, limit, step)
        except OSError as error:
            raise SampleError(f"{part.path} cannot be written: {error.strerror or error}") from None
        whole = total if total is not None else self._size
        if whole is not None and offset < whole:
            raise _Lost(f"the connection ended after {offset:,} of {whole:,} bytes")

    def _copy(self, answer: Any, file: BinaryIO, offset: int, total: int | None, limit: int, step: Step) -> int:
        """What comes, to a file; gives where it ends."""
        since, had, roomy = time.monotonic(), offset, offset
        while True:
            step(offset, total)
            if time.monotonic() - since > self._timeout:
                if offset - had < LEAST_RATE * self._timeout:
                    raise _Lost(f"the server sent {offset - had:,} bytes in {self._timeout:.0f} seconds")
                since, had = time.monotonic(), offset
            if total is None and offset >= roomy:  # nobody said how much is to come
                roomy = offset + RESERVE // 2
                self._room(RESERVE // 2)
            try:
                data = answer.read1(CHUNK)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise _Lost(_why(error)) from None
            if not data:
                return offset
            offset += len(data)
            if offset > limit:
                raise SampleError(f"{_host(self.address)} sends more than the {limit:,} bytes that there can be")
            file.write(data)

    def _room(self, needed: int) -> None:
        """The disk must have room for what is to come."""
        free = shutil.disk_usage(self.target.parent).free
        if needed + RESERVE > free:
            raise SampleError(f"{needed:,} bytes are to come, and {self.target.parent} has {free:,} free")


def _line(text: str) -> str:
    """Words in one line."""
    return " ".join(text.split())


def _why(error: object) -> str:
    """An error of a connection, in words."""
    if isinstance(error, TimeoutError):
        return "the server stays silent"
    words = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return _line(words) or type(error).__name__
