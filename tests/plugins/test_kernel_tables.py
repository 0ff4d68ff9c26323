"""Where our stacker says that the kernel's page tables begin, beside Volatility's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from volatility3.framework import contexts, interfaces
from volatility3.framework.automagic.windows import WindowsIntelStacker
from volatility3.framework.layers import intel
from volatility3.framework.layers.physical import BufferDataLayer, FileLayer

from process_anatomy.volatility.page_tables import KernelTablesStacker
from tests.conftest import SAMPLE

Stacker = type[interfaces.automagic.StackerLayerInterface]


def stacked(image: Path, stacker: Stacker) -> tuple[type[object], int]:
    """The kind of the layer that a stacker puts on a raw image, and where its tables begin."""
    context = contexts.Context()
    context.config["file.location"] = image.as_uri()
    context.add_layer(FileLayer(context, "file", "file"))
    layer = stacker.stack(context, "file")
    context.layers["file"].destroy()
    assert layer is not None
    return type(layer), int(layer.config["page_map_offset"])


@pytest.mark.parametrize("name", ["winxp-2600-pae", "win10-19041", "srv2016-14393"])
def test_volatility_finds_the_same_page_tables(name: str, foreign: Callable[[str], Path]) -> None:
    """In seconds where the image is of a 32-bit Windows."""
    image = foreign(f"{name}.raw")
    assert stacked(image, KernelTablesStacker) == stacked(image, WindowsIntelStacker)


def test_volatility_s_stacker_has_its_turn_where_system_is_not_found() -> None:
    """Memory without Windows: nothing is claimed of it."""
    context = contexts.Context()
    context.add_layer(BufferDataLayer(context, "zeros", "zeros", bytes(1 << 20)))
    assert KernelTablesStacker.stack(context, "zeros") is None


def test_a_name_and_a_number_alone_are_no_page_tables(sample_octets: bytes) -> None:
    """System's _EPROCESS in memory that its page-table root does not lie in."""
    context = contexts.Context()
    context.add_layer(BufferDataLayer(context, "part", "part", sample_octets))
    assert KernelTablesStacker.stack(context, "part") is None


@pytest.fixture(scope="module")
def sample_octets() -> bytes:
    """A crash dump as if it were raw memory: every page is at another address than its tables say."""
    return SAMPLE.read_bytes()


def test_nothing_is_stacked_on_page_tables() -> None:
    """Nor where the file says itself where they are."""
    context = contexts.Context()
    context.add_layer(BufferDataLayer(context, "memory", "memory", bytes(1 << 16)))
    context.config["above.memory_layer"] = "memory"
    context.config["above.page_map_offset"] = 0x1000
    context.add_layer(intel.WindowsIntel32e(context, "above", "above"))
    assert KernelTablesStacker.stack(context, "above") is None
