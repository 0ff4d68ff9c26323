"""ms-compress, which shares nothing with forge or libfwnt, unpacks what the forge packs; its own is unpacked here."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.forge.memory import compressors
from process_anatomy.memory import decompression
from tests.hibernated import small

FORMS = {"lznt1": "lznt1", "xpress": "xpress", "xpress_huffman": "xpress_huff"}
"""Name of a form here to that in ms-compress."""


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    """The one that comes with LeechCore."""
    spec = importlib.util.find_spec("leechcorepyc")
    folders = [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]
    path = next((folder / "libMSCompression.so" for folder in folders), Path())
    if not path.is_file():
        pytest.skip("LeechCore is not installed, or has no library that decompresses")
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        pytest.skip(f"ms-compress does not load here: {error}")


def called(library: ctypes.CDLL, name: str, data: bytes, room: int) -> bytes:
    """What one of its functions makes of data."""
    out, size = ctypes.create_string_buffer(room), ctypes.c_size_t(room)
    assert library[name](data, ctypes.c_size_t(len(data)), out, ctypes.byref(size)) == 0
    return out.raw[: size.value]


@pytest.fixture(scope="module")
def blocks() -> list[bytes]:
    """Memory of all kinds, up to 64 KB at a time, short, and nearly empty: with matches of any length."""
    dice = Random(5)
    sparse = [bytearray(dice.choice([1 << 12, 40000, 1 << 16])) for _ in range(40)]
    for block in sparse:
        for _ in range(dice.choice([0, 1, 3, 30])):
            block[dice.randrange(len(block))] = dice.randrange(256)
    whole = b"".join(list(small().physical.values())[-64:])
    return [
        *(whole[at : at + (1 << 16)] for at in range(0, len(whole), 1 << 16)),
        bytes(1 << 16),
        b"abc" * 5000,
        b"a",
        *map(bytes, sparse),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_ms_compress_unpacks_what_the_forge_packs(form: str, library: ctypes.CDLL, blocks: list[bytes]) -> None:
    for block in blocks:
        packed = getattr(compressors, form)(block)
        assert called(library, f"{FORMS[form]}_decompress", packed, len(block)) == block


@pytest.mark.parametrize("form", FORMS)
def test_what_ms_compress_packs_is_unpacked_here(form: str, library: ctypes.CDLL, blocks: list[bytes]) -> None:
    for block in blocks:
        packed = called(library, f"{FORMS[form]}_compress", block, 2 * len(block) + 4096)
        assert getattr(decompression, form)(packed, len(block)) == block


@given(st.binary(max_size=200), st.integers(1 << 15, 1 << 16))
def test_what_is_no_xpress_gives_a_reason_or_just_what_was_asked_for(data: bytes, size: int) -> None:
    """Also where matches may be long."""
    found = decompression.xpress(data, size)
    assert isinstance(found, str) or len(found) == size
