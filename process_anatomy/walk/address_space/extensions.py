"""Pages behind the end of an image that the kernel maps with it: code for control-flow guard, since Windows 11 24H2.

Images that can be patched while they are in use get them, which are nearly all of Windows' own libraries.  How many
there are is nowhere taken for granted: the node says that its view is longer than its image, and the section says how
long the image is.

Source: _MMVAD_FLAGS2.ImageMappingExtended, _SEGMENT.TotalNumberOfPtes; MEMORY_IMAGE_EXTENSION_INFORMATION (type, place
and size of an extension) in the published headers of System Informer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, Mask, distinct
from process_anatomy.walk.address_space.sections import Section
from process_anatomy.walk.address_space.vads import Vad
from process_anatomy.walk.processes.listed import NOT_READ

WITHOUT_END = np.uint64(1 << 63)
"""More pages than any range has: nothing of it lies behind its image."""


def extension(vad: Vad, section: Section) -> int | Absent:
    """Pages of a view that lie behind the end of its image; not applicable to views that are not extended."""
    if isinstance(vad.extended, Absent):
        return vad.extended
    if vad.extended == 0:
        return NOT_APPLICABLE
    if isinstance(section.pages, Absent):
        return section.pages
    return max(vad.pages - section.pages, 0) if isinstance(vad.pages, int) else vad.pages


def image_pages(vad: Vad, section: Section) -> int | Absent:
    """Pages of a view that are its image's own; absent where it is, or may be, extended and its section is unknown."""
    if isinstance(vad.extended, Absent) and vad.extended.kind in NOT_READ:
        return vad.extended
    behind = extension(vad, section) if vad.extended == 1 else 0
    if isinstance(behind, Absent):
        return behind
    return vad.pages - behind if isinstance(vad.pages, int) else vad.pages


def of_other_size(size: int, vad: Vad, section: Section) -> bool:
    """Whether an image of so many bytes cannot be what the view shows; what is not known contradicts nothing.

    Should the section count the extension as well, an extended view only tells that the image cannot be greater.
    """
    wanted, own = -(-size // PAGE), image_pages(vad, section)
    if not isinstance(vad.pages, int):
        return False
    if isinstance(own, Absent) or (vad.extended == 1 and own == vad.pages):
        return wanted > vad.pages
    return wanted != own


def ends_of_images(vads: Sequence[Vad], backing: Sequence[Section]) -> Addresses:
    """For each view the number of its first page that is not its image's, with one more number for no view.

    0 for an extended view whose section is not known: none of its pages is known to be the image's.
    """
    ends = np.full(len(vads) + 1, WITHOUT_END)
    for number, vad in enumerate(vads):
        if vad.extended is not NOT_APPLICABLE and not isinstance(vad.extended, Absent) and vad.extended:
            own = image_pages(vad, backing[number])
            ends[number] = own if isinstance(own, int) else 0
    return ends


def only_here(frames: Addresses, extensions: Mask) -> Mask:
    """Which pages of extensions lie in frames that no other extension has: what Windows maps there, all share."""
    _, back = distinct(frames[extensions])
    alone = np.zeros(len(frames), dtype=np.bool_)
    alone[np.flatnonzero(extensions)] = np.bincount(back)[back] == 1
    return alone
