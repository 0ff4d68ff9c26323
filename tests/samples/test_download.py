"""A download ends with the whole file under its name, or with a part that the next attempt goes on from."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from process_anatomy.errors import SampleError
from process_anatomy.samples import download
from process_anatomy.samples.download import Download
from process_anatomy.samples.progress import Step
from tests.samples.site import Offer, Site

BODY = bytes(range(256)) * 4096
OTHER = BODY[::-1]
HALF = len(BODY) // 2
PROMPT = {"pause": 0.0, "timeout": 5.0}


def part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def left_over(target: Path, address: str, data: bytes, **said: object) -> None:
    """What an interrupted download leaves."""
    part_of(target).write_bytes(data)
    notes = {"address": address, "etag": "", "date": "", "size": len(BODY)} | said
    target.with_name(f"{target.name}.part.json").write_text(json.dumps(notes))


def test_a_file_comes_whole(site: Site, tmp_path: Path) -> None:
    job = Download(site.put("/a", Offer(BODY)), tmp_path / "a", size=len(BODY), **PROMPT)
    assert job.run().read_bytes() == BODY
    assert not job.resumed
    assert not (tmp_path / "a").exists()
    assert site.ranges == [""]


def test_an_empty_file_comes_whole(site: Site, tmp_path: Path) -> None:
    assert Download(site.put("/a", Offer(b"")), tmp_path / "a", **PROMPT).run().read_bytes() == b""


def test_a_broken_connection_is_resumed_where_it_broke(site: Site, tmp_path: Path) -> None:
    job = Download(site.put("/a", Offer(BODY, cuts=[1000, 500, None])), tmp_path / "a", **PROMPT)
    assert job.run().read_bytes() == BODY
    assert job.resumed
    assert site.ranges == ["", "bytes=1000-", "bytes=1500-"]


def test_a_later_run_goes_on_from_what_is_there(site: Site, tmp_path: Path) -> None:
    offer = Offer(BODY)
    address = site.put("/a", offer)
    left_over(tmp_path / "a", address, BODY[:HALF], etag=offer.etag)
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY
    assert site.ranges == [f"bytes={HALF}-"]
    assert site.asked[0]["If-Range"] == offer.etag


def test_a_date_serves_where_there_is_no_strong_tag(site: Site, tmp_path: Path) -> None:
    offer = Offer(BODY, etag='W/"weak"')
    address = site.put("/a", offer)
    left_over(tmp_path / "a", address, BODY[:HALF], etag=offer.etag, date=offer.date)
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY
    assert site.asked[0]["If-Range"] == offer.date


def test_a_file_that_was_changed_since_comes_from_the_beginning(site: Site, tmp_path: Path) -> None:
    address = site.put("/a", Offer(OTHER))
    left_over(tmp_path / "a", address, BODY[:HALF], etag='"before"')
    job = Download(address, tmp_path / "a", **PROMPT)
    assert job.run().read_bytes() == OTHER
    assert not job.resumed


def test_a_server_that_ignores_the_condition_is_noticed(site: Site, tmp_path: Path) -> None:
    offer = Offer(OTHER, cuts=[10], wrong={"ETag": '"after"'})
    offer.etag = '"before"'  # what the condition is compared with, while answers say another tag
    address = site.put("/a", offer)
    left_over(tmp_path / "a", address, BODY[:HALF], etag='"before"')
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == OTHER


def test_an_answer_for_another_range_is_not_taken(site: Site, tmp_path: Path) -> None:
    offer = Offer(BODY, wrong={"Content-Range": f"bytes 0-{len(BODY) - 1}/{len(BODY)}"})
    address = site.put("/a", offer)
    left_over(tmp_path / "a", address, BODY[:HALF], etag=offer.etag)
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY


def test_a_server_without_ranges_sends_all_again(site: Site, tmp_path: Path) -> None:
    offer = Offer(BODY, ranges=False)
    address = site.put("/a", offer)
    left_over(tmp_path / "a", address, BODY[:HALF], etag=offer.etag)
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY


def test_a_part_that_nothing_vouches_for_is_not_added_to(site: Site, tmp_path: Path) -> None:
    address = site.put("/a", Offer(BODY))
    left_over(tmp_path / "a", address, OTHER[:HALF])
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY
    assert site.ranges == [""]


def test_a_part_that_a_hash_will_prove_is_added_to(site: Site, tmp_path: Path) -> None:
    address = site.put("/a", Offer(BODY))
    left_over(tmp_path / "a", address, BODY[:HALF])
    assert Download(address, tmp_path / "a", provable=True, **PROMPT).run().read_bytes() == BODY
    assert site.ranges == [f"bytes={HALF}-"]


@pytest.mark.parametrize("notes", ["", "[]", "{", '{"address": 5}', '{"address": "x", "etag": []}'])
def test_damaged_notes_of_a_part_begin_it_again(notes: str, site: Site, tmp_path: Path) -> None:
    address = site.put("/a", Offer(BODY))
    left_over(tmp_path / "a", address, OTHER[:HALF])
    (tmp_path / "a.part.json").write_text(notes)
    assert Download(address, tmp_path / "a", provable=True, **PROMPT).run().read_bytes() == BODY


def test_a_part_of_another_address_begins_again(site: Site, tmp_path: Path) -> None:
    address = site.put("/a", Offer(BODY))
    left_over(tmp_path / "a", site.put("/b", Offer(OTHER)), OTHER[:HALF], etag='"b"')
    assert Download(address, tmp_path / "a", provable=True, **PROMPT).run().read_bytes() == BODY


def test_a_part_that_is_whole_already_is_taken(site: Site, tmp_path: Path) -> None:
    offer = Offer(BODY)
    address = site.put("/a", offer)
    left_over(tmp_path / "a", address, BODY, etag=offer.etag, size=None)
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY
    left_over(tmp_path / "a", address, BODY, etag=offer.etag)
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY
    assert site.ranges == [f"bytes={len(BODY)}-"]


def test_a_part_that_is_too_long_begins_again(site: Site, tmp_path: Path) -> None:
    offer = Offer(BODY)
    address = site.put("/a", offer)
    left_over(tmp_path / "a", address, BODY + b"more", etag=offer.etag)
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY


class Refusal(NamedTuple):
    offer: Offer
    words: str
    requests: int


REFUSALS = {
    "gone": Refusal(Offer(statuses=[410]), "answers 410 Gone", 1),
    "forbidden": Refusal(Offer(statuses=[403]), "answers 403 Forbidden", 1),
    "busy for ever": Refusal(Offer(statuses=[503] * 9), "answers 503 Service Unavailable", download.ATTEMPTS),
    "a page": Refusal(Offer(b"<html>", media="text/html; charset=utf-8"), "answers with a web page, not a file", 1),
    "another size": Refusal(Offer(BODY[1:]), f"offers {len(BODY) - 1:,} bytes, published are {len(BODY):,}", 1),
    "a loop": Refusal(Offer(location="/a"), "redirects in a circle", 10),
    "to a file": Refusal(Offer(location="file:///etc/passwd"), "redirects to what is no address of the web", 1),
    "to ftp": Refusal(Offer(location="ftp://127.0.0.1/a"), "no address of the web", 1),
    "no file at all": Refusal(Offer(BODY, statuses=[204]), "answers 204", 1),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_no_file_ends_with_one_line(name: str, site: Site, tmp_path: Path) -> None:
    offer, words, requests = REFUSALS[name]
    with pytest.raises(SampleError, match=words) as caught:
        Download(site.put("/a", offer), tmp_path / "a", size=len(BODY), **PROMPT).run()
    assert "\n" not in str(caught.value)
    assert len(site.asked) <= max(requests, 1) + 1
    assert not (tmp_path / "a").exists()


def test_a_missing_file_ends_with_one_line(site: Site, tmp_path: Path) -> None:
    with pytest.raises(SampleError, match=r"127\.0\.0\.1 answers 404 Not Found"):
        Download(f"{site.address}/nowhere", tmp_path / "a", **PROMPT).run()


def test_a_server_that_was_busy_is_asked_again(site: Site, tmp_path: Path) -> None:
    address = site.put("/a", Offer(BODY, statuses=[503, 429, 500]))
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY


def test_a_redirection_is_followed(site: Site, tmp_path: Path) -> None:
    site.put("/there", Offer(BODY, cuts=[HALF]))
    address = site.put("/a", Offer(location="/there"))
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY
    assert site.asked[-1] | {"Path": "/there", "Range": f"bytes={HALF}-"} == site.asked[-1]


def test_a_redirection_away_from_encryption_needs_a_hash() -> None:
    """The rule alone: no certificate is made for a test."""
    with pytest.raises(SampleError, match="without encryption, and no hash is published"):
        download._onward("https://there/a", "http://there/b", False)
    assert download._onward("https://there/a", "http://there/b", True) == "http://there/b"
    assert download._onward("http://there/a", "https://there/b c", False) == "https://there/b%20c"


@pytest.mark.parametrize("sent", [0, 1000])
def test_a_server_that_falls_silent_is_left(
    sent: int, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "CONNECTIONS", 3)
    address = site.put("/a", Offer(BODY, hang=sent))
    began = time.monotonic()
    with pytest.raises(SampleError, match="the server stays silent"):
        Download(address, tmp_path / "a", timeout=0.1, pause=0.0).run()
    assert time.monotonic() - began < 5
    assert (part_of(tmp_path / "a").stat().st_size if sent else 0) >= sent


def test_a_server_that_sends_next_to_nothing_is_left(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it is never silent: as many connections as bring nothing, and no more."""
    monkeypatch.setattr(download, "CHUNK", 1)
    now = iter(range(1_000_000))
    monkeypatch.setattr(download, "time", SimpleNamespace(monotonic=lambda: next(now), sleep=lambda _: None))
    with pytest.raises(SampleError, match=r"the server sent [\d,]+ bytes in 60 seconds"):
        Download(site.put("/a", Offer(BODY)), tmp_path / "a", pause=0.0).run()
    assert len(site.asked) == download.ATTEMPTS


def test_what_comes_without_a_length_leaves_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([1 << 40, 1 << 40, 1000])
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    monkeypatch.setattr(download, "RESERVE", 1 << 16)
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + bytes(1 << 18)
    with answering(answer) as address, pytest.raises(SampleError, match="has 1,000 free"):
        Download(address, tmp_path / "a", **PROMPT).run()
    assert part_of(tmp_path / "a").stat().st_size < 1 << 18


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that says these bytes to everybody and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.02)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with suppress(OSError):
                    caller, _ = listener.accept()
                    with caller:
                        caller.settimeout(5)
                        caller.recv(65536)
                        caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/a"
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc",
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/3\r\n\r\nabc",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n",
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
def test_a_server_that_talks_nonsense_gets_one_line(answer: bytes, tmp_path: Path) -> None:
    with answering(answer) as address, pytest.raises(SampleError) as caught:
        Download(address, tmp_path / "a", size=len(BODY), **PROMPT).run()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a").exists()


def test_chunks_without_a_length_come_whole(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with answering(answer) as address:
        assert Download(address, tmp_path / "a", size=5, **PROMPT).run().read_bytes() == b"abcde"


def test_more_than_was_published_is_not_taken(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 5000
    with answering(answer) as address, pytest.raises(SampleError, match="more than the 100 bytes"):
        Download(address, tmp_path / "a", size=100, **PROMPT).run()


def test_nobody_there_is_told_after_a_few_attempts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SampleError, match=r"127\.0\.0\.1: "):
        Download(f"http://127.0.0.1:{port}/a", tmp_path / "a", **PROMPT).run()


def test_a_full_disk_is_told_before_anything_is_asked_of_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SampleError, match=f"{len(BODY):,} bytes are to come, and .* has 1,000 free"):
        Download(site.put("/a", Offer(BODY)), tmp_path / "a", **PROMPT).run()
    assert not part_of(tmp_path / "a").exists()


def test_a_disk_that_fills_up_keeps_what_has_come(site: Site, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system limits no file's size")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, limits[1]))
    try:
        with pytest.raises(SampleError, match=r"a\.part cannot be written: File too large"):
            Download(site.put("/a", Offer(BODY)), tmp_path / "a", **PROMPT).run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert part_of(tmp_path / "a").read_bytes() == BODY[:HALF]
    assert Download(f"{site.address}/a", tmp_path / "a", **PROMPT).run().read_bytes() == BODY


def test_an_interruption_leaves_a_part_to_go_on_from(site: Site, tmp_path: Path) -> None:
    offer = Offer(BODY)
    address = site.put("/a", offer)

    @contextmanager
    def impatient(text: str) -> Iterator[Step]:
        def step(done: int, total: int | None) -> None:
            if done >= HALF:
                raise KeyboardInterrupt

        yield step

    with pytest.raises(KeyboardInterrupt):
        Download(address, tmp_path / "a", progress=impatient, **PROMPT).run()
    there = part_of(tmp_path / "a").stat().st_size
    assert HALF <= there < len(BODY)
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY
    assert site.ranges == ["", f"bytes={there}-"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.parametrize("ending", ["part", "part.json"])
def test_a_link_in_place_of_a_part_is_not_followed(ending: str, site: Site, tmp_path: Path) -> None:
    offer = Offer(BODY)
    address = site.put("/a", offer)
    left_over(tmp_path / "a", address, BODY[:HALF], etag=offer.etag)
    linked, mine = tmp_path / f"a.{ending}", tmp_path / "mine"
    linked.rename(mine)
    linked.symlink_to(mine)
    before = mine.read_bytes()
    assert Download(address, tmp_path / "a", **PROMPT).run().read_bytes() == BODY
    assert mine.read_bytes() == before
    assert not linked.is_symlink()


def test_how_far_it_is_is_told(site: Site, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []

    @contextmanager
    def listening(text: str) -> Iterator[Step]:
        assert text == "a"
        yield lambda done, total: told.append((done, total))

    Download(site.put("/a", Offer(BODY)), tmp_path / "a", progress=listening, **PROMPT).run()
    assert told[0] == (0, len(BODY))
    assert told[-1] == (len(BODY), len(BODY))
    assert told == sorted(told)
