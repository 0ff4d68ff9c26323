"""Where commands write the files that views make: whole or not at all, under names that no memory can choose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from process_anatomy.views.declaration import Output

MOST = 1000
"""Files of one name and different numbers."""


class Named:
    """An open file that knows the name that it will have."""

    def __init__(self, out: Any, name: str) -> None:
        self.write, self.preferred_filename = out.write, name


def into(folder: Path) -> Output:
    """What opens files in a folder, which is made where there is none; no file is replaced, the next gets a number."""

    @contextmanager
    def output(start: str, name: object, ending: str) -> Iterator[Any]:
        from process_anatomy.fleet.written import whole
        from process_anatomy.volatility.cells import safe_file_name

        folder.mkdir(parents=True, exist_ok=True)
        names = (safe_file_name(f"{start}{f'-{number}' if number else ''}", name, ending) for number in range(MOST))
        file = next((folder / each for each in names if not (folder / each).exists()), None)
        if file is None:
            raise OSError(f"{folder} holds {MOST} such files")
        with whole(file, overwrite=False) as out:
            yield Named(out, str(file))

    return output
