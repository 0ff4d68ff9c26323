"""The same bytes in every container, as Volatility's own layers read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from volatility3.framework import contexts
from volatility3.framework.layers import crash, elf, lime, physical, vmware

from process_anatomy import open_image
from process_anatomy.forge import Image
from process_anatomy.volatility.formats import BitmapDump64Layer
from process_anatomy.volatility.packed import CompressedDumpLayer, HibernationLayer

PAGE = 0x1000
LAYERS: dict[str, Any] = {
    "bitmap": crash.WindowsCrashDump64Layer,
    "crash": crash.WindowsCrashDump64Layer,
    "elf": elf.Elf64Layer,
    "hibernation": HibernationLayer,
    "kernel": BitmapDump64Layer,
    "lime": lime.LimeLayer,
}


@contextmanager
def opened(path: Path, form: str) -> Iterator[Any]:
    """The physical layer of a container."""
    context = contexts.Context()
    context.config["file.location"] = path.as_uri()
    base = physical.FileLayer(context, "file", "file")
    context.add_layer(base)
    layer = base
    if form == "zdmp":
        context.config["unpacked.base_layer"] = "file"
        context.add_layer(CompressedDumpLayer(context, "unpacked", "unpacked"))
        context.config["physical.base_layer"] = "unpacked"
        layer = crash.WindowsCrashDump64Layer(context, "physical", "physical")
        context.add_layer(layer)
    elif form == "vmware":
        context.config["state.location"] = path.with_suffix(".vmsn").as_uri()
        context.add_layer(physical.FileLayer(context, "state", "state"))
        context.config["physical.base_layer"], context.config["physical.meta_layer"] = "file", "state"
        layer = vmware.VmwareLayer(context, "physical", "physical")
        context.add_layer(layer)
    elif form != "raw":
        context.config["physical.base_layer"] = "file"
        layer = LAYERS[form](context, "physical", "physical")
        context.add_layer(layer)
    try:
        yield layer
    finally:
        for file in {"file", "state"} & {*context.layers}:
            context.layers[file].destroy()


@pytest.mark.parametrize("form", ["raw", "lime", "elf", "crash", "bitmap", "hibernation", "vmware", "zdmp"])
def test_every_container_holds_the_same_pages(form: str, image: Image, container: Callable[[str], Path]) -> None:
    with opened(container(form), form) as layer:
        for frame, content in image.physical.items():
            assert layer.read(frame * PAGE, PAGE) == content, f"frame {frame:#x}"


@pytest.mark.parametrize("form", ["raw", "lime", "elf", "crash", "vmware", "zdmp"])
def test_memory_that_is_not_in_use_is_zero(form: str, image: Image, container: Callable[[str], Path]) -> None:
    unused = [frame for first, count in image.runs for frame in range(first, first + count)]
    unused = [frame for frame in unused if frame not in image.physical][::97]
    with opened(container(form), form) as layer:
        assert all(layer.read(frame * PAGE, PAGE) == bytes(PAGE) for frame in unused)


def test_the_bitmap_dump_leaves_out_what_is_not_in_use(image: Image, container: Callable[[str], Path]) -> None:
    assert container("bitmap").stat().st_size < container("raw").stat().st_size / 16
    unused = next(frame for frame in range(0x300, 0x3FFF) if frame not in image.physical)
    with opened(container("bitmap"), "bitmap") as layer:
        assert not layer.is_valid(unused * PAGE)


@pytest.mark.parametrize("form", ["lime", "crash", "bitmap", "hibernation", "vmware", "zdmp"])
def test_holes_between_the_runs_are_not_memory(form: str, image: Image, container: Callable[[str], Path]) -> None:
    first, count = image.runs[1]
    with opened(container(form), form) as layer:
        assert not layer.is_valid((first + count) * PAGE, PAGE)


def test_a_kernel_dump_leaves_out_what_only_programs_have(image: Image, container: Callable[[str], Path]) -> None:
    """Page tables and what the kernel shares with programs are in it."""
    with opened(container("kernel"), "kernel") as layer:
        kept = {frame for frame in image.physical if layer.is_valid(frame * PAGE, PAGE)}
        assert all(layer.read(frame * PAGE, PAGE) == image.physical[frame] for frame in kept)
    assert kept == image.physical.keys() - image.user_frames
    assert 0.1 < len(image.user_frames) / len(image.physical) < 0.9
    roots = {process["dtb"] // PAGE for process in image.truth["processes"]}
    assert roots & image.user_frames == set()


def test_memory_of_vmware_goes_on_above_its_holes(image: Image, container: Callable[[str], Path]) -> None:
    """The file has no holes, so without its state every address above one is another page."""
    path = container("vmware")
    assert path.stat().st_size == sum(count for _, count in image.runs) * PAGE < image.memory_size
    last = max(image.physical)
    with opened(path, "raw") as layer:
        assert not layer.is_valid(last * PAGE, PAGE) or layer.read(last * PAGE, PAGE) != image.physical[last]


def test_the_suite_opens_vmwares_pair(image: Image, container: Callable[[str], Path]) -> None:
    """By its name alone, as every image."""
    found = {row["PID"]: row["ImageFileName"] for row in open_image(container("vmware")).view("processes")}
    assert found == {p["pid"]: p["image_file_name"] for p in image.truth["processes"] if p["in_active_list"]}
