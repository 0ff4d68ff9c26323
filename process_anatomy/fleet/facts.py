"""What is known of an image as a whole, before any row."""

from __future__ import annotations

from typing import Any

from process_anatomy.filetime import moment
from process_anatomy.views.image import Image
from process_anatomy.walk.processes.captured import captured
from process_anatomy.walk.processes.system_root import system_root
from structs.machines import BY_POINTER_SIZE

FITS = "the layout fits the image"
"""The verdict where rows are to be trusted."""


def facts(image: Image) -> dict[str, Any]:
    """Name of each fact to a number, a text, a list of texts, or ``None`` where it is not known."""
    kernel = image.kernel
    taken, root = moment(captured(kernel)), system_root(kernel)
    return {
        "build": kernel.number,
        "architecture": BY_POINTER_SIZE[kernel.space.pointer_size].name,
        "kernel file": None if kernel.file is None else str(kernel.file),
        "kernel PDB": None if kernel.pdb is None else f"{kernel.pdb.name} {kernel.pdb.guid}-{kernel.pdb.age}",
        "layout": f"{kernel.build.name}, {'estimated' if kernel.build.estimated else 'exact'}: {kernel.build.origin}",
        "verdict": image.doubt or FITS,
        "captured": None if taken is None else taken.isoformat(),
        "Windows folder": root if isinstance(root, str) else None,
        "processes": len(image.tables().listed.rows),
        "how it is known": list(kernel.evidence),
        "doubts": list(kernel.doubts),
    }
