"""Images in archives: told by their bytes, unpacked within limits, pairs together."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.errors import SampleError
from process_anatomy.fleet.unpacked import image_in, unpack_here
from process_anatomy.samples.packed import packed_as
from tests.conftest import SAMPLE
from tests.samples.archives import memory, seven, tarred, written, zipped

IMAGE = memory(1 << 14)
PAIR = {
    "vm/notes.txt": b"about",
    "vm/snap.1.VMEM": IMAGE,
    "vm/snap.1.vmsn": b"where it lies",
    "other/snap.1.vmss": b"no",
}
SINGLE = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}
MANY = {"zip": zipped(PAIR), "7z": seven(PAIR), "tar": tarred(PAIR, "w"), "tar.gz": tarred(PAIR, "w:gz")}
LIMITS = (1 << 20, 1000)


@pytest.mark.parametrize("form", SINGLE)
def test_a_packed_image_keeps_its_name_without_the_ending(form: str, tmp_path: Path) -> None:
    archive = written(tmp_path, f"mem.raw.{form}", SINGLE[form](IMAGE))
    (tmp_path / "out").mkdir()
    assert packed_as(archive) == form
    assert unpack_here(archive, tmp_path / "out", *LIMITS) == "mem.raw"
    assert image_in(tmp_path / "out") == tmp_path / "out" / "mem.raw"
    assert (tmp_path / "out" / "mem.raw").read_bytes() == IMAGE


@pytest.mark.parametrize("form", MANY)
def test_a_pair_comes_out_together_and_as_volatility_knows_it(form: str, tmp_path: Path) -> None:
    """Memory and what tells where it lies have one name and endings in lower case; other folders' are not of it."""
    archive = written(tmp_path, f"case.{form}", MANY[form])
    (tmp_path / "out").mkdir()
    assert unpack_here(archive, tmp_path / "out", *LIMITS) == "vm/snap.1.VMEM"
    assert image_in(tmp_path / "out").name == "snap.1.vmem"
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        "snap.1.vmem": IMAGE,
        "snap.1.vmsn": b"where it lies",
    }


def test_zeros_come_out_whole_and_take_no_room(tmp_path: Path) -> None:
    """A sparse image stays one; its end is where it was."""
    image = IMAGE + bytes(8 << 20)
    archive = written(tmp_path, "mem.raw.gz", gzip.compress(image))
    (tmp_path / "out").mkdir()
    unpack_here(archive, tmp_path / "out", 1 << 30, 1000)
    assert (tmp_path / "out" / "mem.raw").read_bytes() == image


@pytest.mark.parametrize(
    ("limits", "words"),
    [((1 << 13, 1000), "more than the 8,192 bytes"), ((1 << 20, 2), "more than 2 times its own size")],
)
@pytest.mark.parametrize("form", ["gz", "zip"])
def test_what_grows_beyond_a_limit_is_not_kept(form: str, limits: tuple[int, int], words: str, tmp_path: Path) -> None:
    data = {"gz": gzip.compress, "zip": lambda data: zipped({"a": data})}[form](bytes(1 << 15))
    (tmp_path / "out").mkdir()
    with pytest.raises(SampleError, match=words):
        unpack_here(written(tmp_path, "bomb", data), tmp_path / "out", *limits)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_image_is_no_archive(tmp_path: Path) -> None:
    assert packed_as(SAMPLE) is None
    assert packed_as(written(tmp_path, "empty.zip", b"")) is None
    assert packed_as(written(tmp_path, "words", b"BZh9 is how bzip2 begins")) is None


@settings(max_examples=30)
@given(st.binary(max_size=300))
def test_any_bytes_are_some_form_or_none(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp(), "any", data)
    form = packed_as(path)
    assert form in {None, "zip", "7z", "gz", "xz", "bz2", "tar", "rar"}
    assert (form == "gz") == data.startswith(b"\x1f\x8b\x08")
