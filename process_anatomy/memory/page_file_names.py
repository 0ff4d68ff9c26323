"""What page files are called where they were collected: ``pagefile.sys``, ``swapfile.sys`` and ``pagefileN.sys``."""

from __future__ import annotations

import os
import re

NUMBERED = re.compile(r"pagefile(\d{1,2})\.sys")
FIRST, SWAP = "pagefile.sys", "swapfile.sys"


def is_page_file(name: str) -> bool:
    """Whether a file is called as page files are, in small letters or in capitals."""
    return name.lower() in (FIRST, SWAP) or NUMBERED.fullmatch(name.lower()) is not None


def page_files_in(folder: str) -> dict[str, str]:
    """The page files in a folder: name in small letters to path.

    Raises:
        OSError: the folder cannot be read.
    """
    files: dict[str, str] = {}
    for each in sorted(os.listdir(folder)):
        if is_page_file(each) and os.path.isfile(os.path.join(folder, each)):
            files.setdefault(each.lower(), os.path.join(folder, each))
    return files
