"""MemProcFS, which shares nothing with us but the library that decompresses Xpress, reads the same compressed pages."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from process_anatomy.forge import write_raw
from tests.compression import GENERATIONS, pages, stored
from tests.forge.memprocfs import Witness

KNOWN = [build for build in GENERATIONS if build != "x86-14393-0"]
"""Those whose symbols MemProcFS' database has, or, for x64, that it searches for without."""


@pytest.mark.proves("memprocfs")
@pytest.mark.parametrize("build", KNOWN)
def test_memprocfs_reads_the_same_bytes_of_every_compressed_page(
    build: str, tmp_path: Path, page_witness: Witness
) -> None:
    """Those that the truth has no bytes of, it does not read either."""
    image = stored(build)
    path = tmp_path / "image.raw"
    write_raw(image, path)
    truth = pages(image)
    answer = page_witness(path, [(page["pid"], page["va"]) for page in truth])
    assert answer == [page["crc32"] for page in truth]
    assert zlib.crc32(bytes(4096)) not in answer
