"""A web server of a few files on this machine, which can be told to misbehave."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATE = "Mon, 16 Nov 2026 09:00:00 GMT"


@dataclass
class Offer:
    """A file of the site.

    Attributes:
        body: its bytes.
        etag: its entity tag, empty for none.
        date: when it was last changed, empty for never told.
        ranges: whether parts of it can be asked for.
        told: whether its length is told.
        media: its media type.
        cuts: for each answer to come, the bytes of its body after which the connection ends; ``None`` for no cut.
        hang: bytes of each body after which nothing more comes, though the connection stays.
        statuses: for each answer to come, a status without a file, 0 for the file.
        location: where it redirects to.
        wrong: changes to the headers of every answer.
    """

    body: bytes = b""
    etag: str = ""
    date: str = DATE
    ranges: bool = True
    told: bool = True
    media: str = "application/octet-stream"
    cuts: list[int | None] = field(default_factory=list)
    hang: int | None = None
    statuses: list[int] = field(default_factory=list)
    location: str = ""
    wrong: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.etag = self.etag or f'"{hashlib.sha256(self.body).hexdigest()}"'


class Site:
    """The files by their paths, and what was asked for."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.offers: dict[str, Offer] = {}
        self.asked: list[dict[str, str]] = []
        self.leave = threading.Event()

    def put(self, path: str, offer: Offer) -> str:
        """Offer a file; gives its address."""
        self.offers[path] = offer
        return f"{self.address}{path}"

    @property
    def ranges(self) -> list[str]:
        """The ranges that were asked for, an empty text for all of a file."""
        return [headers.get("Range", "") for headers in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        site = self.site
        site.asked.append({"Path": self.path, **self.headers})
        self.close_connection = True
        offer = site.offers.get(self.path)
        status = offer.statuses.pop(0) if offer and offer.statuses else 0
        if offer is None or status:
            self._say(status or 404, {}, b"no file", None)
        elif offer.location:
            self._say(302, {"Location": offer.location}, b"", None)
        else:
            self._offer(offer)

    def _offer(self, offer: Offer) -> None:
        headers = {"ETag": offer.etag, "Content-Type": offer.media}
        if offer.date:
            headers["Last-Modified"] = offer.date
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        same = condition is None or condition in (offer.etag, offer.date)
        cut = offer.cuts.pop(0) if offer.cuts else None
        size = len(offer.body)
        if asked and offer.ranges and same:
            first = int(asked[1])
            if first >= size:
                self._say(416, {"Content-Range": f"bytes */{size}"}, b"", None)
                return
            headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
            self._say(206, headers | offer.wrong, offer.body[first:], cut, offer)
        else:
            self._say(200, headers | offer.wrong, offer.body, cut, offer)

    def _say(
        self, status: int, headers: dict[str, str], body: bytes, cut: int | None, offer: Offer | None = None
    ) -> None:
        self.send_response(status)
        told = offer is None or offer.told
        for name, value in ({"Content-Length": str(len(body))} if told else {} | {"Connection": "close"}).items():
            self.send_header(name, value)
        for name, value in headers.items():
            if value and name != "Content-Length":
                self.send_header(name, value)
        self.end_headers()
        if offer is not None and offer.hang is not None:
            self.wfile.write(body[: offer.hang])
            self.wfile.flush()
            self.site.leave.wait(20)
            return
        self.wfile.write(body[:cut])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nothing: who asks may leave before the answer is over, and a test sees all other errors as no answer."""


@contextmanager
def served() -> Iterator[Site]:
    """A site of its own, for as long as it is needed."""
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    site = handler.site = Site(f"http://127.0.0.1:{server.server_address[1]}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield site
    finally:
        site.leave.set()
        server.shutdown()
        thread.join()
        server.server_close()
