"""What a Windows memory image says of its processes, without symbols and explained.

>>> from process_anatomy import open_image
>>> image = open_image("memory.raw")                                   # doctest: +SKIP
>>> [row["File"] for row in image.view("vads", pid=[4], explain="off")]  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from process_anatomy.errors import Error

if TYPE_CHECKING:
    import os

    from process_anatomy.views.image import Image

__all__ = ["Error", "open_image"]


def open_image(
    path: str | os.PathLike[str],
    isf: str | None = None,
    dtb: int | None = None,
    page_files: str | os.PathLike[str] | None = None,
) -> Image:
    """Open a memory image of any format that Volatility reads, and identify its Windows kernel.

    Args:
        path: the image.
        isf: path of your own Volatility symbol table, to take the layout from.
        dtb: physical address of the kernel's page tables, where they are not found.
        page_files: folder of the page files that belong to the image: pagefile.sys, swapfile.sys, pagefileN.sys.

    Raises:
        Error: the file is missing, is no image, or holds no Windows that is supported; one line says why.
    """
    from process_anatomy.report import made
    from process_anatomy.views.image import Image
    from process_anatomy.volatility import open_path, stock_privilege_descriptions

    return Image(open_path(path, isf, dtb, page_files), stock_privilege_descriptions, made)
