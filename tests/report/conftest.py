from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from process_anatomy.views.image import Image
from tests.report.node import NODE


class File(io.BytesIO):
    """A file of a view's output, in memory."""

    preferred_filename = ""


def written(image: Image, **options: Any) -> dict[str, bytes]:
    """Every file of a report, by name."""
    files: dict[str, bytes] = {}

    @contextmanager
    def output(start: str, name: object, ending: str) -> Iterator[File]:
        file = File()
        file.preferred_filename = f"{start}.{name}.{ending}"
        yield file
        files[file.preferred_filename] = file.getvalue()

    rows = list(image.view("report", output=output, **options))
    assert [row["File output"] for row in rows] == list(files)
    return files


@pytest.fixture(scope="session")
def node() -> str:
    """Node, which runs the modules of the page."""
    found = shutil.which(NODE)
    if found is None:
        pytest.skip("node is not installed")
    return found
