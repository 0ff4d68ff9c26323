"""Entries of a catalogue, of images that tests make or have."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from process_anatomy.samples.catalogue import Download, Memory, ProcessFact, PublicImage, Published

PAGE = "https://example.org/page"
SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "lab-win11-22621.dmp"
"""The image that ships with the project: forged, so that what is in it is known."""
EMPTY = PublicImage("lab", "The lab's image", PAGE, None, None, None, Memory(), (), ())
FACTS = replace(
    EMPTY,
    build=Published(22621, PAGE),
    processes=(
        ProcessFact("System", 4, 0, PAGE),
        ProcessFact("notepad.exe", 5212, 3920, PAGE),
        ProcessFact("SHADE.exe", 7148, None, PAGE),
    ),
)
"""What is known of the image; the last process hides from the active list."""


def told(value: Any) -> Published[Any]:
    """A datum with a page."""
    return Published(value, PAGE)


def hashes(data: bytes, *names: str) -> dict[str, Published[str]]:
    """What somebody would publish of a file."""
    return {name: told(hashlib.new(name, data, usedforsecurity=False).hexdigest()) for name in names}


def offer(file: str, form: str, data: bytes, address: str | None = None, **more: Any) -> Download:
    """A download of which all is published."""
    return Download(
        file=told(file),
        form=form,
        address=None if address is None else told(address),
        size=told(len(data)),
        hashes=hashes(data, "sha256", "md5"),
        **more,
    )


def as_toml(*images: PublicImage) -> str:
    """A catalogue of entries."""
    lines: list[str] = []
    for image in images:
        lines += ["[[image]]", f'name = "{image.name}"', f'title = "{image.title}"', f'page = "{image.page}"']
        lines += _data(windows=image.windows, build=image.build)
        for key, part in (("download", image.download), ("memory", image.memory)):
            if part is not None and part != Memory():
                lines.append(f"[image.{key}]")
                lines += [f'form = "{part.form}"'] if isinstance(part, Download) else []
                data = {name: value for name, value in vars(part).items() if name not in ("form", "hashes")}
                lines += _data(**data, **part.hashes)
        for fact in image.processes:
            lines += ["[[image.process]]", f'name = "{fact.name}"', f"pid = {fact.pid}", f'source = "{fact.source}"']
            lines += [] if fact.parent is None else [f"parent = {fact.parent}"]
    return "\n".join(lines)


def _data(**data: Published[Any] | None) -> list[str]:
    return [
        f'{key} = {{ value = {f"{datum.value!r}"}, source = "{datum.source}" }}'
        for key, datum in data.items()
        if datum is not None
    ]
