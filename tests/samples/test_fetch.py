"""From an address, or from a file that somebody brought, to a checked image: nothing else takes its name."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from process_anatomy.errors import SampleError
from process_anatomy.samples import fetch as module
from process_anatomy.samples.catalogue import Memory, PublicImage
from process_anatomy.samples.facts import check_facts
from process_anatomy.samples.fetch import Fetching
from process_anatomy.samples.verdicts import Outcome
from tests.samples.archives import memory, zip_aes, zipped
from tests.samples.entries import EMPTY, FACTS, PAGE, SAMPLE, hashes, offer, told
from tests.samples.site import Offer, Site

IMAGE = memory(1 << 14)
ARCHIVE = zipped({"case/mem.raw": IMAGE, "readme.txt": b"about"})
MEMORY = Memory(file=told("mem.raw"), size=told(len(IMAGE)), hashes=hashes(IMAGE, "md5"))


class Told(list[str]):
    """What was told."""

    def has(self, words: str) -> bool:
        """Whether a line has these words."""
        return any(words in line for line in self)


@pytest.fixture
def lines() -> Told:
    return Told()


@pytest.fixture
def fetching(tmp_path: Path, lines: Told) -> Fetching:
    return Fetching(tmp_path, timeout=5.0, pause=0.0, tell=lines.append)


def packed(site: Site, data: bytes = ARCHIVE) -> PublicImage:
    """An entry whose download the site offers."""
    return replace(EMPTY, download=offer("a.zip", "zip", ARCHIVE, site.put("/a.zip", Offer(data))), memory=MEMORY)


def names(folder: Path) -> set[str]:
    """What is in the folder of the image."""
    return {path.name for path in (folder / "lab").iterdir()}


def test_an_image_is_downloaded_checked_unpacked_and_checked(
    site: Site, fetching: Fetching, lines: Told, tmp_path: Path
) -> None:
    image = packed(site)
    assert fetching.fetch(image) == fetching.place(image) == tmp_path / "lab" / "mem.raw"
    assert (tmp_path / "lab" / "mem.raw").read_bytes() == IMAGE
    assert names(tmp_path) == {"mem.raw"}
    assert lines == [
        f"a.zip: from {site.address}/a.zip",
        f"a.zip: {len(ARCHIVE):,} bytes: as published",
        *(f"a.zip: {name} {digest.value}: as published" for name, digest in hashes(ARCHIVE, "sha256", "md5").items()),
        f"mem.raw: unpacked mem.raw, {len(IMAGE):,} bytes",
        f"mem.raw: {len(IMAGE):,} bytes: as published",
        f"mem.raw: md5 {MEMORY.hashes['md5'].value}: as published",
    ]


def test_the_download_stays_where_that_is_wished(site: Site, fetching: Fetching, tmp_path: Path) -> None:
    replace(fetching, keep_archive=True).fetch(packed(site))
    assert names(tmp_path) == {"mem.raw", "a.zip"}


def test_an_image_that_is_there_is_not_fetched_again(site: Site, fetching: Fetching, lines: Told) -> None:
    image = packed(site)
    fetching.fetch(image)
    fetching.fetch(image)
    assert len(site.asked) == 1
    assert lines.has("mem.raw: it is there already")


def test_a_download_that_is_there_is_not_fetched_again(site: Site, fetching: Fetching, tmp_path: Path) -> None:
    image = packed(site)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "a.zip").write_bytes(ARCHIVE)
    fetching.fetch(image)
    assert site.asked == []


def test_a_download_that_is_there_and_differs_is_not_unpacked(site: Site, fetching: Fetching, tmp_path: Path) -> None:
    image = packed(site)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "a.zip").write_bytes(ARCHIVE[::-1])
    with pytest.raises(SampleError, match=r"a\.zip is not the published file: sha256 .*: differs: it is "):
        fetching.fetch(image)
    assert names(tmp_path) == {"a.zip"}


def test_a_download_of_another_hash_is_kept_under_another_name(site: Site, fetching: Fetching, tmp_path: Path) -> None:
    image = packed(site, ARCHIVE[::-1])
    with pytest.raises(SampleError, match=r"a\.zip is not the published file: sha256 .*kept as .*a\.zip\.rejected"):
        fetching.fetch(image)
    assert names(tmp_path) == {"a.zip.rejected"}


def test_a_resumed_download_that_does_not_fit_comes_again_from_the_beginning(
    site: Site, fetching: Fetching, lines: Told, tmp_path: Path
) -> None:
    image = packed(site)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "a.zip.part").write_bytes(b"x" * 100)
    (tmp_path / "lab" / "a.zip.part.json").write_text(f'{{"address": "{site.address}/a.zip"}}')
    assert fetching.fetch(image).read_bytes() == IMAGE
    assert site.ranges == ["bytes=100-", ""]
    assert lines.has("a.zip: what was resumed does not fit together, once more from the beginning")


def test_an_image_of_another_hash_does_not_take_its_name(site: Site, fetching: Fetching, tmp_path: Path) -> None:
    image = replace(packed(site), memory=replace(MEMORY, hashes=hashes(b"other", "md5")))
    with pytest.raises(SampleError, match=r"mem\.raw is not the published file: md5 "):
        fetching.fetch(image)
    assert names(tmp_path) == {"a.zip"}


def test_an_image_that_is_not_packed_is_the_download(site: Site, fetching: Fetching, tmp_path: Path) -> None:
    image = replace(EMPTY, download=offer("lab.dmp", "none", IMAGE, site.put("/lab", Offer(IMAGE, cuts=[10]))))
    assert fetching.fetch(image) == fetching.place(image) == tmp_path / "lab" / "lab.dmp"
    assert (tmp_path / "lab" / "lab.dmp").read_bytes() == IMAGE
    assert names(tmp_path) == {"lab.dmp"}


def test_where_no_hash_is_published_ours_is_told(site: Site, fetching: Fetching, lines: Told) -> None:
    image = packed(site)
    assert image.download is not None
    image = replace(image, download=replace(image.download, hashes={}, size=None), memory=Memory())
    assert fetching.fetch(image).name == "lab.raw"
    archive, found = (hashes(data, "sha256")["sha256"].value for data in (ARCHIVE, IMAGE))
    assert lines.has(f"a.zip: no hash is published to check it by; its sha256 is {archive}")
    assert lines.has(f"lab.raw: no hash is published to check it by; its sha256 is {found}")


def test_a_password_that_is_published_is_used(site: Site, fetching: Fetching) -> None:
    data = zip_aes({"mem.raw": IMAGE}, "infected")
    download = offer("a.zip", "zip", data, site.put("/a.zip", Offer(data)), password=told("infected"))
    assert fetching.fetch(replace(EMPTY, download=download, memory=MEMORY)).read_bytes() == IMAGE


def test_a_download_that_somebody_brings_is_left_as_it_is(site: Site, fetching: Fetching, tmp_path: Path) -> None:
    brought = tmp_path / "my copy"
    brought.write_bytes(ARCHIVE)
    assert fetching.fetch(packed(site), brought).read_bytes() == IMAGE
    assert site.asked == []
    assert brought.read_bytes() == ARCHIVE
    assert names(tmp_path) == {"mem.raw"}


def test_a_download_that_somebody_brings_must_be_the_published_one(
    site: Site, fetching: Fetching, tmp_path: Path
) -> None:
    brought = tmp_path / "my copy"
    brought.write_bytes(ARCHIVE[::-1])
    with pytest.raises(SampleError, match="my copy is not the published file"):
        fetching.fetch(packed(site), brought)
    assert names(tmp_path) == set()


def test_an_image_that_somebody_brings_is_copied(fetching: Fetching, tmp_path: Path) -> None:
    brought = tmp_path / "mine.raw"
    brought.write_bytes(IMAGE)
    image = replace(EMPTY, download=offer("mem.raw", "none", IMAGE))
    assert fetching.fetch(image, brought).read_bytes() == IMAGE
    assert names(tmp_path) == {"mem.raw"}
    assert brought.exists()


def test_an_image_that_only_a_person_can_download_says_where(fetching: Fetching) -> None:
    download = replace(offer("a.zip", "zip", ARCHIVE), by_hand=told("https://example.org/form"))
    with pytest.raises(SampleError, match=r"download it from https://example\.org/form, then: anatomy .* --archive"):
        fetching.fetch(replace(EMPTY, download=download))
    with pytest.raises(SampleError, match=rf"download it from {PAGE}, then: anatomy samples fetch lab --archive FILE"):
        fetching.fetch(replace(EMPTY, download=replace(download, by_hand=None)))


def test_an_image_without_a_download_says_its_page(fetching: Fetching) -> None:
    with pytest.raises(SampleError, match=rf"get it from {PAGE}, then: anatomy samples verify FILE --as lab"):
        fetching.fetch(EMPTY)


def test_an_archive_without_the_image_stays_and_no_image_appears(
    site: Site, fetching: Fetching, tmp_path: Path
) -> None:
    data = zipped({"one.txt": b"1", "two.txt": b"2"})
    download = offer("a.zip", "zip", data, site.put("/a.zip", Offer(data)))
    with pytest.raises(SampleError, match=r"a\.zip cannot be unpacked: it holds no file of the name mem\.raw"):
        fetching.fetch(replace(EMPTY, download=download, memory=MEMORY))
    assert names(tmp_path) == {"a.zip"}


def test_a_folder_that_cannot_be_made_is_told(site: Site, fetching: Fetching, tmp_path: Path) -> None:
    (tmp_path / "lab").write_text("a file")
    with pytest.raises(SampleError, match=r"lab: (File exists|Not a directory|Cannot create)"):
        fetching.fetch(packed(site))


def test_an_interruption_while_unpacking_keeps_the_download(
    site: Site, fetching: Fetching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "unpack", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetching.fetch(packed(site))
    assert names(tmp_path) == {"a.zip"}
    assert fetching.fetch(packed(site)).read_bytes() == IMAGE


def test_our_own_image_goes_all_the_way(site: Site, fetching: Fetching) -> None:
    data = gzip.compress(SAMPLE.read_bytes(), 1)
    image = replace(
        FACTS,
        download=offer("lab.dmp.gz", "gz", data, site.put("/lab", Offer(data, cuts=[len(data) // 3]))),
        memory=Memory(file=told("lab.dmp"), hashes=hashes(SAMPLE.read_bytes(), "sha256")),
    )
    path = fetching.fetch(image)
    assert {verdict.outcome for verdict in check_facts(image, path)} == {Outcome.SAME}
