"""Builds that nobody knows: a kernel as a suite without any layout of its build sees it, and how right that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from unittest import mock

from process_anatomy.forge import Image
from process_anatomy.kernel.identify import Kernel
from structs import builds
from structs.layout import Build
from structs.places import PROVED
from tests.walk.damaged import kernel_of

STRUCTURES = ("_EPROCESS", "_ETHREAD", "_TOKEN")


def hidden(image: Image, number: int) -> Kernel:
    """The kernel of an image, as a suite sees it that has no layout of this build number, and knows no PDB of it."""
    nearest = builds.nearest

    def others(arch: str, wanted: int) -> Iterator[Build]:
        return (b for b in nearest(arch, wanted) if number not in (b.number, builds.base_of(b).number))

    with (
        mock.patch.object(builds, "by_pdb", return_value=None),
        mock.patch.object(builds, "by_number", return_value=None),
        mock.patch.object(builds, "nearest", others),
    ):
        return kernel_of(image)


def compared(build: Build, truth: Build, proved: frozenset[tuple[str, str]] = frozenset()) -> tuple[int, Counter[str]]:
    """How many fields of a layout lie where the truth has them; and those that do not, by what they rest on.

    Args:
        build: the layout.
        truth: the kernel's own.
        proved: structure and name of each field that the image's memory is taken to prove.
    """
    right, wrong = 0, Counter[str]()
    for structure in STRUCTURES:
        for field, place in build.places.get(structure, {}).items():
            expected = truth.places.get(structure, {}).get(field)
            if expected is None:
                continue
            if (place.offset, place.bit) == (expected.offset, expected.bit):
                right += 1
            else:
                wrong[PROVED if (structure, field) in proved else build.source(structure, field)] += 1
    return right, wrong
