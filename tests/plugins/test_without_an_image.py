"""No image, a pipe, a configuration of a stock plugin: it is read, or one line says what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from volatility3.framework import contexts

from process_anatomy.volatility.options import LOCATION, ImageRequirement, file_trouble, image_trouble
from tests.conftest import Answer, Vol
from tests.plugins.test_bad_input import SAMPLE, only_line

PATH = "plugins.Processes.primary"


def one_line(answer: Answer) -> str:
    """What a run that produced nothing says."""
    assert answer.status == 1
    assert answer.out == ""
    return only_line(answer.err)


def test_no_image_given_is_told_in_one_line(vol: Vol) -> None:
    """It says which option is missing."""
    line = one_line(vol("-r", "json", "windows.anatomy.processes"))
    assert line == "windows.anatomy: no image was given: say which with -f FILE"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_told_in_one_line(vol: Vol, tmp_path: Path) -> None:
    """Memory is read at any place, a pipe only in order."""
    os.mkfifo(tmp_path / "pipe")
    line = one_line(vol("-r", "json", "-f", tmp_path / "pipe", "windows.anatomy.processes"))
    assert line.endswith("is a pipe or a device, and memory is not read in order: save it to a file first")


def configuration(image: Path, start: str) -> dict[str, object]:
    """What a plugin saves of how the sample is opened, under the name of its requirement."""
    layers = "volatility3.framework.layers"
    found = {
        "class": f"{layers}.intel.WindowsIntel32e",
        "memory_layer.class": f"{layers}.crash.WindowsCrashDump64Layer",
        "memory_layer.base_layer.class": f"{layers}.physical.FileLayer",
        "memory_layer.base_layer.location": image.as_uri(),
        "page_map_offset": int.from_bytes(SAMPLE.read_bytes()[0x10:0x18], "little"),
        "swap_layers": True,
        "swap_layers.number_of_elements": 0,
    }
    return {f"{start}.{name}": value for name, value in found.items()}


@pytest.mark.parametrize("start", ["kernel.layer_name", "primary"])
def test_a_saved_configuration_of_a_stock_plugin_is_taken(start: str, vol: Vol, tmp_path: Path) -> None:
    """Stock plugins keep the layer below their kernel; older ones, and ours, where ours look for it."""
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(configuration(SAMPLE, start)))
    answer = vol("-r", "json", "-c", saved, "windows.anatomy.processes")
    assert answer.status == 0, answer.err
    assert len(answer.rows) == 29


@pytest.mark.parametrize("start", ["kernel.layer_name", "primary"])
def test_a_configuration_whose_image_is_gone_names_it(start: str, vol: Vol, tmp_path: Path) -> None:
    """One line, with the file that is not there."""
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(configuration(tmp_path / "gone.dmp", start)))
    line = one_line(vol("-r", "json", "-c", saved, "windows.anatomy.processes"))
    assert line.endswith("gone.dmp, which the configuration names, is not there")


def test_a_program_that_uses_volatility_is_not_ended_for_want_of_an_image() -> None:
    """What is missing is given back, as from every requirement."""
    context = contexts.Context()
    requirement = ImageRequirement(name="primary", description="x", architectures=["Intel64"])
    assert requirement.unsatisfied(context, "plugins.Processes") == {PATH: requirement}
    assert image_trouble(context, PATH) == "no image was given: say which with -f FILE"
    context.config[LOCATION] = SAMPLE.as_uri()
    assert image_trouble(context, PATH) == ""


def test_a_file_that_can_be_opened_gives_no_trouble(tmp_path: Path) -> None:
    """Volatility itself says that a file is not there."""
    assert file_trouble(str(SAMPLE)) == ""
    assert file_trouble(str(tmp_path / "nowhere")) == ""
    assert file_trouble(str(tmp_path)).endswith("is a directory, not a memory image")
