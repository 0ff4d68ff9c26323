"""MemProcFS, given the page files by number, reads the same bytes of every page in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.forge.memprocfs import Witness
from tests.page_files import BOTH, filed, pages, written


@pytest.mark.proves("memprocfs")
@pytest.mark.parametrize("build", ["x86-7601-17514", "x64-9600-18340", "x64-14393-0", BOTH, "x64-26100-1742"])
def test_memprocfs_reads_the_same_bytes_from_page_files(build: str, tmp_path: Path, page_witness: Witness) -> None:
    """Several page files and swapfile.sys; without them it has none of the pages."""
    image = filed(build)
    raw, folder = written(build, tmp_path)
    truth = pages(image)
    assert len({page["file"] for page in truth}) == len(image.page_files) > 1
    files = {file.number: folder / file.name for file in image.page_files}
    wanted = [(page["pid"], page["va"]) for page in truth]
    assert page_witness(raw, wanted, files) == [page["crc32"] for page in truth]
    assert set(page_witness(raw, wanted)) == {None}
