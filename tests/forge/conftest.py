"""The forged lab image, made once, in all its containers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import Image, forge
from process_anatomy.forge.__main__ import write_all
from process_anatomy.forge.machine.containers import FORMATS
from tests.forge.memprocfs import page_witness

__all__ = ["page_witness"]


@pytest.fixture(scope="session")
def image() -> Image:
    return forge()


@pytest.fixture(scope="session")
def container(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a format to the lab image in it, beside its answer key and symbol table; written when it is asked for."""
    folder = tmp_path_factory.mktemp("forged")

    def written(form: str) -> Path:
        path = folder / f"lab-{form}{FORMATS[form][0]}"
        return path if path.exists() else write_all(image, folder, f"lab-{form}", form)[0]

    return written


@pytest.fixture(scope="session")
def stock(vol: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """Rows of a stock plugin, with the symbol table that lies beside an image."""

    def run(image: Path, plugin: str) -> list[dict[str, Any]]:
        answer = vol("-s", image.parent / "symbols", "-r", "json", "-f", image, plugin)
        assert answer.status == 0, answer.err
        rows: list[dict[str, Any]] = json.loads(answer.out)
        return rows

    return run
