"""Page files that were given are checked: those of another machine are not read, and what cannot be told is said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.errors import Error
from process_anatomy.kernel.page_file_checks import check_page_files
from tests.page_files import BOTH, PAGE, contents, filed, pages, read
from tests.page_files import given as with_files
from tests.walk.damaged import kernel_of, spoiled

NAMES = {number: f"file {number}" for number in range(16)}
GENERATIONS = ["x86-2600-2180", "x64-7601-24540", "x86-19041-508", "x64-17134-1", BOTH]
"""One of each form of entries."""


@pytest.mark.proves("forged")
@pytest.mark.parametrize("build", GENERATIONS)
def test_page_files_of_the_machine_are_read_page_for_page(build: str) -> None:
    """What speaks for each of them is told; those cut behind their last page have fewer pages than the kernel says."""
    image = filed(build)
    kernel = with_files(image, contents(image))
    told = check_page_files(kernel, NAMES)
    assert all("pages, where the kernel had" in line for line in told.doubts), told.doubts
    assert sum("blocks of processes and threads that must be in it" in line for line in told.evidence) == len(
        image.page_files
    )
    for page in pages(image):
        assert read(kernel, page) == (page["crc32"], "")


def test_page_files_of_another_machine_are_not_read() -> None:
    """Of the same Windows, and as long: pages have the reason; of the store's pages nothing changes."""
    image = filed(BOTH)
    strange = {number: octets[::-1] for number, octets in contents(image).items()}
    kernel = with_files(image, strange)
    told = check_page_files(kernel, NAMES)
    assert [line[:11] for line in told.doubts] == ["page file 0", "page file 1", "page file 3"]
    assert all("is not read: it is of another machine or time" in line for line in told.doubts)
    for page in pages(image):
        data, why = read(kernel, page)
        assert data is None
        assert f"page {page['page']:#x} of number {page['file']}, which was given and is not read: it is of" in why
    roots = {process["pid"]: process["dtb"] for process in image.truth["processes"]}
    for page in image.truth["compressed"]:
        assert read(kernel, page | {"dtb": roots[page["pid"]]})[0] == page["crc32"]


def test_the_number_of_the_compression_store_is_no_page_files() -> None:
    """A file that was given for it is not read: what entries of that number lead to is in the store."""
    image = filed(BOTH)
    kernel = with_files(image, {2: bytes(0x400000 * 4)})
    told = check_page_files(kernel, NAMES)
    assert told.doubts == (
        "page file 2 (file 2) is not read: by the kernel's list that number stands for the compression store",
    )
    roots = {process["pid"]: process["dtb"] for process in image.truth["processes"]}
    assert image.truth["compressed"]
    for page in image.truth["compressed"]:
        assert read(kernel, page | {"dtb": roots[page["pid"]]})[0] == page["crc32"]


def test_a_page_file_that_was_cut_short_has_a_reason_for_each_page_beyond_its_end() -> None:
    """And the line that tells how many pages the kernel had in it; the pages before its end are read."""
    image = filed(BOTH)
    cut = 0x180
    files = {number: octets[: cut * PAGE + 0x123] for number, octets in contents(image).items()}
    kernel = with_files(image, files)
    told = check_page_files(kernel, NAMES)
    assert f"page file 3 (file 3) has {cut} pages, where the kernel had 1024 in it" in told.doubts
    seen = set()
    for page in pages(image):
        data, why = read(kernel, page)
        seen.add(page["page"] < cut)
        if page["page"] < cut:
            assert data == page["crc32"]
        else:
            assert data is None
            assert why.endswith(f"which was given but does not hold it: it ends after {cut:#x} pages")
    assert seen == {True, False}


def test_a_page_file_that_nothing_known_lies_in_is_read_and_doubted() -> None:
    """A machine without any entry of that number."""
    image = filed("x64-9600-18340")
    kernel = with_files(image, {9: bytes(PAGE)})
    assert check_page_files(kernel, NAMES).doubts == (
        "page file 9 (file 9): nothing in it tells whether it belongs to this image",
    )


@settings(max_examples=6, deadline=None)
@given(st.dictionaries(st.integers(0, 1 << 12), st.integers(0, 3), min_size=1, max_size=60))
def test_spoiled_memory_never_breaks_the_checks(damage: dict[int, int]) -> None:
    """Processes, threads, lists and the kernel's variables are garbage: each file is read, doubted or refused."""
    image = filed(BOTH)
    try:
        kernel = with_files(image, contents(image), spoiled(image, damage))
    except Error:
        return
    told = check_page_files(kernel, NAMES)
    assert all(line.startswith("page file ") for line in (*told.evidence, *told.doubts))


def test_without_page_files_there_is_nothing_to_say() -> None:
    """No name, no line."""
    told = check_page_files(kernel_of(filed("x64-9600-18340")), {})
    assert (told.evidence, told.doubts) == ((), ())
