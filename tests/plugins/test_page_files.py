"""Page files as users give them: a folder with files by name, or Volatility's option with files by number."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from volatility3.framework import contexts
from volatility3.framework.layers.physical import FileLayer

from process_anatomy import open_image
from process_anatomy.command.program import main
from process_anatomy.errors import RequestError
from process_anatomy.kernel.paging_files import PagingFile
from process_anatomy.volatility import open_kernel, open_path
from process_anatomy.volatility.layers import UnrecognisedLayer, on_top
from process_anatomy.volatility.page_files import LOCATIONS, numbered
from tests.conftest import Vol
from tests.page_files import BOTH, filed, pages, read, written

NEW, OLD = BOTH, "x64-9200-16384"
"""A kernel whose own list of page files is known, and one of which it is not."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """A build's image, and the folder of its page files."""
    made: dict[str, tuple[Path, Path]] = {}

    def give(build: str) -> tuple[Path, Path]:
        if build not in made:
            made[build] = written(build, tmp_path_factory.mktemp("machine"))
        return made[build]

    return give


@pytest.mark.parametrize("build", [NEW, OLD])
def test_page_files_of_a_folder_are_read_under_the_numbers_of_their_names(
    build: str, machine: Callable[[str], tuple[Path, Path]]
) -> None:
    """By the kernel's own list; where that is not known by the rule, which is said."""
    raw, folder = machine(build)
    kernel = open_path(raw, page_files=folder)
    assert [read(kernel, page) for page in pages(filed(build))] == [(p["crc32"], "") for p in pages(filed(build))]
    rule = [line for line in kernel.doubts if "the kernel's own list was not found" in line]
    assert [line.split(" is taken for ")[1] for line in rule] == (
        ["page file 0: the kernel's own list was not found", "page file 2: the kernel's own list was not found"]
        if build == OLD
        else []
    )


def test_a_folder_is_read_only_where_it_is_asked_for_and_nothing_in_it_changes(
    machine: Callable[[str], tuple[Path, Path]],
) -> None:
    """Page files beside the image are not looked for; files that may only be read are enough."""
    raw, folder = machine(NEW)
    files = sorted(folder.iterdir())
    before = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    for path in files:
        path.chmod(0o444)
    beside = [folder.parent / path.name for path in files]
    for path, link in zip(files, beside, strict=True):
        os.link(path, link)
    try:
        alone, both = open_image(raw), open_image(raw, page_files=folder.parent)
    finally:
        for link in beside:
            link.unlink()
    page = pages(filed(NEW))[0]
    assert read(alone.kernel, page)[0] is None
    assert read(both.kernel, page)[0] == page["crc32"]
    assert [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files] == before


def test_the_commands_take_a_folder(
    machine: Callable[[str], tuple[Path, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is known of an image names the page files; what lies in them is in the rows."""
    raw, folder = machine(NEW)
    assert main(["info", str(raw), "--page-files", str(folder)]) == 0
    assert "swapfile.sys) is \\??\\C:\\swapfile.sys by the kernel's list of page files" in capsys.readouterr().out
    gone = []
    for more in ([], ["--page-files", str(folder)]):
        assert main(["show", str(raw), "peb", "--format", "jsonl", *more]) == 0
        gone.append(capsys.readouterr().out.count("the page is in a page file"))
    assert gone[0] > gone[1] == 0


def test_plugins_take_a_folder(machine: Callable[[str], tuple[Path, Path]], vol: Vol) -> None:
    """As the commands do; a folder without page files is told in one line."""
    raw, folder = machine(NEW)
    ask = ("-r", "json", "-f", raw, "windows.anatomy.envars", "--explain", "off")
    without, having = vol(*ask), vol(*ask, "--page-files", folder)
    values = [[row["Value"] for row in answer.rows if row.get("Value")] for answer in (without, having)]
    assert len(values[1]) > len(values[0])
    wrong = vol(*ask, "--page-files", raw.parent)
    assert (wrong.status, wrong.out) == (1, "")
    assert wrong.err.strip().endswith("holds no pagefile.sys, pagefileN.sys or swapfile.sys")


@pytest.mark.parametrize("plain", [False, True], ids=["addresses", "paths"])
def test_files_by_number_are_read_where_volatility_makes_no_layers_of_them(
    plain: bool, machine: Callable[[str], tuple[Path, Path]]
) -> None:
    """Under the stand-in for an image that no stock layer reads; an empty place leaves its number out."""
    raw, folder = machine(NEW)
    first, last = folder / "pagefile.sys", folder / "pagefile3.sys"
    context = contexts.Context()
    context.config["image.location"] = raw.as_uri()
    context.add_layer(FileLayer(context, "image", "image"))
    context.config[LOCATIONS] = [str(first), "", "", str(last)] if plain else [first.as_uri(), "", "", last.as_uri()]
    layer = on_top(context, "image", UnrecognisedLayer)
    context.add_layer(layer)
    kernel = open_kernel(context, layer.name, dtb=filed(NEW).truth["dtb"])
    for page in pages(filed(NEW)):
        assert read(kernel, page)[0] == (None if page["file"] == 1 else page["crc32"])
    context.config[LOCATIONS] = [str(folder / "gone.sys")]
    with pytest.raises(RequestError, match=r"gone\.sys cannot be read"):
        open_kernel(context, layer.name, dtb=filed(NEW).truth["dtb"])
    context.layers["image"].destroy()


Listed = dict[int, PagingFile]
LIST: Listed = {
    0: PagingFile(0, "\\??\\C:\\pagefile.sys", 16, False),
    1: PagingFile(1, "\\??\\D:\\PageFile.sys", 16, False),
    2: PagingFile(2, "", 0, True),
    3: PagingFile(3, "\\??\\C:\\swapfile.sys", 16, False),
}


@pytest.mark.parametrize(
    ("names", "listed", "numbers"),
    [
        (["pagefile.sys"], {}, {0}),
        (["pagefile.sys", "swapfile.sys"], {}, {0, 1}),
        (["pagefile.sys", "pagefile1.sys", "pagefile12.sys", "swapfile.sys"], {}, {0, 1, 12, 13}),
        (["pagefile0.sys", "swapfile.sys"], LIST, {0, 3}),
        (["pagefile.sys", "pagefile1.sys", "swapfile.sys"], LIST, {0, 1, 3}),
    ],
)
def test_names_are_numbered_by_the_list_or_by_the_rule(names: list[str], listed: Listed, numbers: set[int]) -> None:
    assert numbered({name: f"/{name}" for name in names}, listed)[0].keys() == numbers


def test_names_that_cannot_be_numbered_are_told() -> None:
    """Two of one number, a number that there cannot be, and one that the list does not have."""
    for names, said in (
        (["pagefile0.sys", "pagefile.sys"], "are both page file 0"),
        (["pagefile16.sys"], "has number 16, and there are no more than 16"),
    ):
        with pytest.raises(RequestError, match=said):
            numbered({name: f"/{name}" for name in names}, {})
    some: Any = {0: LIST[0]}
    told = ["/swapfile.sys is not read: the kernel's list of page files has none of that name"]
    assert numbered({"swapfile.sys": "/swapfile.sys"}, some) == ({}, told)


def test_a_page_file_that_is_empty_or_cannot_be_opened_is_told(
    tmp_path: Path, machine: Callable[[str], tuple[Path, Path]]
) -> None:
    """An empty one holds no page; where there is no folder, one line says so."""
    raw, _ = machine(NEW)
    (tmp_path / "pagefile.sys").touch()
    kernel = open_path(raw, page_files=tmp_path)
    assert any("has 0 pages, where the kernel had" in line for line in kernel.doubts)
    with pytest.raises(RequestError, match="is no folder that can be read"):
        open_path(raw, page_files=tmp_path / "gone")
