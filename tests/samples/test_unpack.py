"""Unpacking gives the image, under a name of ours, or one line and nothing: whatever the archive holds."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process_anatomy.errors import SampleError
from process_anatomy.samples import unpack as module
from process_anatomy.samples.names import LENGTH_LIMIT, plain_name
from process_anatomy.samples.progress import Step
from process_anatomy.samples.unpack import unpack
from tests.samples.archives import (
    memory,
    seven,
    tarred,
    written,
    zip_aes,
    zip_crypto,
    zip_deflate64,
    zipped,
)

IMAGE = memory(1 << 14)
NAME = "mem.raw"
PLAIN = {NAME: IMAGE}
BESIDE = {"read me.txt": b"about", f"case/{NAME}": IMAGE, "__MACOSX/._mem.raw": b"mac", "empty": b""}
SECRET = "infected"  # noqa: S105  what most courses say

PACKED: dict[str, tuple[str, bytes, str | None]] = {
    "zip": ("zip", zipped(BESIDE), None),
    "zip, ZipCrypto": ("zip", zip_crypto(NAME, IMAGE, SECRET), SECRET),
    "zip, AES": ("zip", zip_aes(BESIDE, SECRET), SECRET),
    "zip, Deflate64": ("zip", zip_deflate64(NAME, IMAGE), None),
    "7z": ("7z", seven(BESIDE), None),
    "7z, encrypted": ("7z", seven(BESIDE, SECRET), SECRET),
    "7z, names too": ("7z", seven(BESIDE, SECRET, hidden=True), SECRET),
    "tar": ("tar", tarred(BESIDE, "w"), None),
    "tar.gz": ("tar", tarred(BESIDE, "w:gz"), None),
    "tar.xz": ("tar", tarred(BESIDE, "w:xz"), None),
    "tar.bz2": ("tar", tarred(BESIDE, "w:bz2"), None),
    "gz": ("gz", gzip.compress(IMAGE), None),
    "gz, in pieces": ("gz", gzip.compress(IMAGE[:1000]) + gzip.compress(IMAGE[1000:]), None),
    "xz": ("xz", lzma.compress(IMAGE), None),
    "bz2": ("bz2", bz2.compress(IMAGE), None),
}
SEALED = [name for name, (_, _, password) in PACKED.items() if password]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "image"


def refused(archive: Path, form: str, target: Path, **asked: Any) -> str:
    """The one line that unpacking ends with; nothing is left of it."""
    with pytest.raises(SampleError) as caught:
        unpack(archive, form, target, **asked)
    assert list(target.parent.iterdir()) == []
    assert str(caught.value).startswith(f"{archive.name} cannot be unpacked: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def outcome(archive: Path, form: str, target: Path, **asked: Any) -> str:
    """What unpacking is refused with, nothing where it is not."""
    try:
        unpack(archive, form, target, **asked)
    except SampleError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", PACKED)
def test_the_image_comes_out_as_it_was(name: str, tmp_path: Path, target: Path) -> None:
    form, data, password = PACKED[name]
    archive = written(tmp_path, "archive", data)
    unpack(archive, form, target, wanted=NAME, password=password, size=len(IMAGE))
    assert target.read_bytes() == IMAGE
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("name", PACKED)
def test_without_a_published_name_the_largest_file_is_taken(name: str, tmp_path: Path, target: Path) -> None:
    form, data, password = PACKED[name]
    assert unpack(written(tmp_path, "mem.raw.gz", data), form, target, password=password).name.startswith(NAME)
    assert target.read_bytes() == IMAGE


@pytest.mark.parametrize("name", PACKED)
def test_a_damaged_archive_ends_with_one_line(name: str, tmp_path: Path, target: Path) -> None:
    form, data, password = PACKED[name]
    for damaged in (data[: len(data) // 2], b"", b"\0" * len(data)):
        refused(written(tmp_path, "archive", damaged), form, target, wanted=NAME, password=password)


@pytest.mark.parametrize("name", SEALED)
def test_a_password_that_nobody_published_is_told(name: str, tmp_path: Path, target: Path) -> None:
    form, data, _ = PACKED[name]
    assert "password" in refused(written(tmp_path, "archive", data), form, target, wanted=NAME).lower()


@pytest.mark.parametrize("name", SEALED)
def test_a_wrong_password_is_no_image(name: str, tmp_path: Path, target: Path) -> None:
    form, data, _ = PACKED[name]
    refused(written(tmp_path, "archive", data), form, target, wanted=NAME, password="clean")


@pytest.mark.parametrize("name", PACKED)
def test_what_is_larger_than_published_is_not_written(name: str, tmp_path: Path, target: Path) -> None:
    form, data, password = PACKED[name]
    archive = written(tmp_path, "archive", data)
    words = refused(archive, form, target, wanted=NAME, password=password, size=1000)
    assert "it unpacks to more than the 1,000 bytes that there can be" in words


@pytest.mark.parametrize(
    ("form", "pack"), [("gz", gzip.compress), ("xz", lzma.compress), ("zip", lambda data: zipped({"a": data}))]
)
def test_a_bomb_is_stopped_at_the_limit(
    form: str, pack: Callable[[bytes], bytes], tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SIZE_LIMIT", 1 << 20)
    assert "more than the 1,048,576" in refused(written(tmp_path, "archive", pack(bytes(1 << 23))), form, target)


def test_an_archive_that_lies_of_a_size_is_counted_as_it_comes(tmp_path: Path, target: Path) -> None:
    data = zip_deflate64(NAME, IMAGE).replace(len(IMAGE).to_bytes(4, "little"), (5).to_bytes(4, "little"))
    assert "damaged" in refused(written(tmp_path, "archive", data), "zip", target)
    assert "more than the 5" in refused(written(tmp_path, "archive", data), "zip", target, size=5)


def test_a_disk_without_room_is_told_beforehand(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("usage", (), {"free": module.RESERVE + 1000}))
    archive = written(tmp_path, "archive", zipped(PLAIN))
    assert f"it unpacks to {len(IMAGE):,} bytes, and" in refused(archive, "zip", target)
    assert "has 1,000 free" in refused(archive, "zip", target)
    packed = written(tmp_path, "packed", gzip.compress(IMAGE))
    assert "more than the 1,000 bytes" in refused(packed, "gz", target)


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "member",
    [
        special(NAME, tarfile.SYMTYPE, "/etc/passwd"),
        special(NAME, tarfile.LNKTYPE, "../../secret"),
        special(NAME, tarfile.CHRTYPE),
        special(NAME, tarfile.BLKTYPE),
        special(NAME, tarfile.FIFOTYPE),
        special(NAME, tarfile.DIRTYPE),
    ],
    ids=["symlink", "hard link", "character device", "block device", "pipe", "folder"],
)
def test_what_is_no_regular_file_is_no_image(member: tarfile.TarInfo, tmp_path: Path, target: Path) -> None:
    archive = written(tmp_path, "archive", tarred({NAME: member}))
    assert "it holds no file at all" in refused(archive, "tar", target)
    both = written(tmp_path, "both", tarred({"link": member, f"real/{NAME}": IMAGE}))
    unpack(both, "tar", target, wanted=NAME)
    assert target.read_bytes() == IMAGE


def test_a_link_in_a_zip_is_no_image(tmp_path: Path, target: Path) -> None:
    info = zipfile.ZipInfo(NAME)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr(info, "/etc/passwd")
        archive.mkdir("folder") if sys.version_info >= (3, 11) else archive.writestr("folder/", "")
    assert "it holds no file at all" in refused(tmp_path / "archive", "zip", target)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_in_a_7z_is_no_image(tmp_path: Path, target: Path) -> None:
    import py7zr

    (tmp_path / "link").symlink_to("/etc/passwd")
    with py7zr.SevenZipFile(tmp_path / "archive", "w") as archive:
        archive.write(tmp_path / "link", NAME)
    assert "it holds no file at all" in refused(tmp_path / "archive", "7z", target)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_in_place_of_the_target_is_not_followed(tmp_path: Path, target: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    target.symlink_to(tmp_path / "mine")
    unpack(written(tmp_path, "archive", zipped({NAME: IMAGE})), "zip", target)
    assert (target.is_symlink(), target.read_bytes()) == (False, IMAGE)
    assert (tmp_path / "mine").read_text() == "kept"


@pytest.mark.parametrize("form", ["zip", "7z", "tar"])
def test_the_published_name_is_looked_for_in_all_folders_and_in_any_case(
    form: str, tmp_path: Path, target: Path
) -> None:
    pack: dict[str, Callable[[dict[str, bytes]], bytes]] = {"zip": zipped, "7z": seven, "tar": tarred}
    archive = written(tmp_path, "archive", pack[form]({"a/larger": IMAGE * 2, "b/MEM.RAW": IMAGE}))
    assert unpack(archive, form, target, wanted=NAME).path == "b/MEM.RAW"
    assert target.read_bytes() == IMAGE


def test_two_files_of_the_published_name_are_too_many(tmp_path: Path, target: Path) -> None:
    archive = written(tmp_path, "archive", zipped({"a/mem.raw": b"1", "b/mem.raw": b"2"}))
    assert "it holds 2 file of the name mem.raw" in refused(archive, "zip", target, wanted=NAME)


def test_files_of_other_names_are_named_where_none_fits(tmp_path: Path, target: Path) -> None:
    archive = written(tmp_path, "archive", zipped({f"file{number}": b"" for number in range(9)}))
    words = refused(archive, "zip", target, wanted=NAME)
    assert words.endswith("it holds no file of the name mem.raw, but file0, file1, file2, file3, file4")


def test_one_file_alone_is_the_image_whatever_it_is_called(tmp_path: Path, target: Path) -> None:
    assert unpack(written(tmp_path, "archive", zipped({"x": IMAGE})), "zip", target, wanted=NAME).name == "x"


def test_more_members_than_anybody_looks_at_are_refused(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MEMBER_LIMIT", 3)
    archive = written(tmp_path, "archive", zipped({str(number): b"" for number in range(4)}))
    assert "it has more than 3 members" in refused(archive, "zip", target)


def test_rar_is_left_to_other_tools(tmp_path: Path, target: Path) -> None:
    words = refused(written(tmp_path, "archive", b"Rar!\x1a\x07"), "rar", target)
    assert words.endswith("rar archives cannot be unpacked here; other tools can")


@pytest.mark.parametrize(
    ("name", "library"),
    [("7z", "py7zr"), ("zip, AES", "pyzipper"), ("zip, Deflate64", "inflate64")],
)
def test_a_library_that_is_missing_is_named_with_what_installs_it(
    name: str, library: str, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    form, data, password = PACKED[name]
    words = refused(written(tmp_path, "archive", data), form, target, password=password)
    assert words.endswith(f"it needs {library}: pip install 'process-anatomy[samples]'")


def test_deflate64_that_is_encrypted_is_said_to_be_beyond_us(tmp_path: Path, target: Path) -> None:
    data = bytearray(zip_deflate64(NAME, IMAGE))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    archive = written(tmp_path, "archive", bytes(data))
    assert "Deflate64 and encrypted" in refused(archive, "zip", target, password=SECRET)


def test_deflate64_is_checked_by_its_sum(tmp_path: Path, target: Path) -> None:
    data = bytearray(zip_deflate64(NAME, IMAGE))
    for at in (14, data.index(b"PK\1\2") + 16):
        data[at] ^= 1
    assert "damaged" in refused(written(tmp_path, "archive", bytes(data)), "zip", target)


def test_an_interruption_leaves_nothing_that_looks_like_an_image(tmp_path: Path, target: Path) -> None:
    @contextmanager
    def impatient(text: str) -> Iterator[Step]:
        def step(done: int, total: int | None) -> None:
            raise KeyboardInterrupt

        yield step

    with pytest.raises(KeyboardInterrupt):
        unpack(written(tmp_path, "archive", zipped(PLAIN)), "zip", target, progress=impatient)
    assert list(target.parent.iterdir()) == []


LETTERS = "ab.-_/\\:*?~ \t\n\0\x1b\u00e9\u202e\ud800\U0001f600"
PATHS = st.one_of(
    st.text(LETTERS, min_size=1, max_size=30),
    st.lists(st.sampled_from(["..", ".", "", "a", "C:", "mem.raw", "~", "con", "x" * 300]), min_size=1, max_size=8).map(
        "/".join
    ),
    st.sampled_from(["/etc/passwd", "..\\..\\x", "C:\\Windows\\x", "\\\\host\\share\\x", "a\0b", "\u202egpj.exe"]),
)
PACKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {"zip": zipped, "tar": tarred}


@pytest.mark.parametrize("form", PACKERS)
@given(path=PATHS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_in_an_archive_leads_anywhere(form: str, path: str, tmp_path: Path) -> None:
    try:
        data = PACKERS[form]({path: b"image"})
    except (ValueError, IndexError):
        return  # no packer writes it
    with TemporaryDirectory(dir=tmp_path) as folder:
        root = Path(folder)
        archive = written(root, "archive", data)
        (root / "in").mkdir()
        target = root / "in" / "image"
        words = outcome(archive, form, target)
        assert "\n" not in words
        assert words or target.read_bytes() == b"image"
        assert {str(found.relative_to(root)) for found in root.rglob("*")} <= {"archive", "in", f"in{os.sep}image"}


@pytest.mark.parametrize("name", ["zip, AES", "zip, Deflate64", "zip, ZipCrypto", "7z, encrypted", "tar.gz", "gz"])
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_give_the_image_or_one_line(name: str, data: st.DataObject, tmp_path: Path) -> None:
    form, packed, password = PACKED[name]
    image = bytearray(packed)
    places = st.one_of(st.integers(0, 100), st.integers(len(packed) - 100, len(packed) - 1))
    for _ in range(data.draw(st.integers(1, 4))):
        image[data.draw(places)] = data.draw(st.integers(0, 255))
    archive = written(tmp_path, "archive", bytes(image))
    target = tmp_path / "image"
    words = outcome(archive, form, target, password=password, size=len(IMAGE))
    assert "\n" not in words
    assert target.exists() is not bool(words)


@given(st.one_of(PATHS, st.text(LETTERS, max_size=300)))
def test_a_plain_name_is_one_name_that_every_system_takes(path: str) -> None:
    name = plain_name(path)
    assert name == plain_name(name)
    assert 0 < len(name) <= LENGTH_LIMIT
    assert name.isascii()
    assert set(name) & set('/\\:*?"<>| ') == set()
    assert name.strip(".") == name
    assert name.split(".")[0].lower() not in {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(10))}
