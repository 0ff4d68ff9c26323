"""The engine: memory, kernel, walk, notes and forge.

>>> from process_anatomy import open_image
>>> kernel = open_image("memory.raw")            # doctest: +SKIP
>>> from process_anatomy.walk.processes.listed import processes
>>> [row.name for row in processes(kernel).rows]  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from process_anatomy.errors import Error

if TYPE_CHECKING:
    import os

    from process_anatomy.kernel.identify import Kernel

__all__ = ["Error", "open_image"]


def open_image(path: str | os.PathLike[str], isf: str | None = None) -> Kernel:
    """Open a memory image of any format that Volatility reads, and identify its Windows kernel.

    Args:
        path: the image.
        isf: path of your own Volatility symbol table, to take the layout from.

    Raises:
        Error: the file is missing, is no image, or holds no Windows that is supported; one line says why.
    """
    from process_anatomy.volatility import open_path

    return open_path(path, isf)
