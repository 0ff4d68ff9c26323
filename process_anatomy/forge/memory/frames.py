"""Physical memory with holes, frames handed out in no order."""

from __future__ import annotations

from process_anatomy.forge.ground.dice import Dice

PAGE = 0x1000
LEAST_FRAME = 0x20
"""The first frame that is given out."""
LISTED = 1 << 18
"""Frames of 1 GB: of larger memories not every frame is held ready."""
DTB_WINDOW = range(0x150, 0x2A0)
"""Frames where Windows keeps the System page-table root; the forge puts nothing else there."""

VALID, WRITE, USER, ACCESSED, DIRTY, LARGE, GLOBAL = 0x1, 0x2, 0x4, 0x20, 0x40, 0x80, 0x100
COPY_ON_WRITE, PROTOTYPE, TRANSITION = 0x200, 0x400, 0x800
NO_EXECUTE = 1 << 63
TABLE = VALID | WRITE | ACCESSED | DIRTY
KERNEL_DATA = VALID | WRITE | ACCESSED | DIRTY | GLOBAL | NO_EXECUTE
KERNEL_CODE = VALID | ACCESSED | GLOBAL
USER_DATA = VALID | WRITE | USER | ACCESSED | DIRTY | NO_EXECUTE
USER_READ = VALID | USER | ACCESSED | NO_EXECUTE
USER_CODE = VALID | USER | ACCESSED


class OutOfFramesError(Exception):
    """The scenario needs more memory than it has."""


class PhysicalMemory:
    """The frames of a machine: which exist, which are in use, and what they hold.

    Attributes:
        runs: (first frame, number of frames) of each stretch of memory; between them are holes.
        pages: frame number to its 4096 bytes, for frames in use.
    """

    def __init__(self, frames: int, dice: Dice, large_frames: int = 512) -> None:
        """Lay out the memory.

        Args:
            frames: how many there are, holes included.
            dice: decides the order in which frames are given out.
            large_frames: how many of them a large page takes.
        """
        half = frames // 2
        self.runs = [(0x1, 0x9E), (0x100, half - 0x100), (half + 0x100, frames - half - 0x100)]
        self.pages: dict[int, bytearray] = {}
        groups = [
            base
            for base in range(large_frames, frames, large_frames)
            if any(first <= base and base + large_frames <= first + count for first, count in self.runs)
        ]
        dice.shuffle(groups)
        self._large = groups[:4]
        kept = {frame for base in self._large for frame in range(base, base + large_frames)}
        whole = [
            (max(first, LEAST_FRAME), first + count)
            for first, count in self.runs
        ]  # fmt: skip
        if frames > LISTED:  # of a large memory some frames are drawn, as many as a forging may need
            drawn = dict.fromkeys(dice.below(frames) for _ in range(LISTED))
            candidates = (frame for frame in drawn if any(first <= frame < end for first, end in whole))
        else:
            candidates = (frame for first, end in whole for frame in range(first, end))
        self._free = [frame for frame in candidates if frame not in kept and frame not in DTB_WINDOW]
        dice.shuffle(self._free)

    @property
    def size(self) -> int:
        """Bytes up to the end of the last run."""
        first, count = self.runs[-1]
        return (first + count) * PAGE

    def take(self, content: bytes = b"") -> int:
        """Put ``content`` into any free frame; gives the frame's number.

        Raises:
            OutOfFramesError: no frame is free.
        """
        if not self._free:
            raise OutOfFramesError(f"all of {self.size:#x} bytes are in use")
        frame = self._free.pop()
        return self.place(frame, content)

    def choose(self, lowest: int) -> int:
        """Any free frame from a number on, which is free no more.

        Raises:
            OutOfFramesError: none is free there.
        """
        for position in range(len(self._free) - 1, -1, -1):
            if self._free[position] >= lowest:
                return self._free.pop(position)
        raise OutOfFramesError(f"no frame from {lowest:#x} on is free")

    def place(self, frame: int, content: bytes = b"") -> int:
        """Put ``content`` into this very frame."""
        self.pages[frame] = bytearray(content.ljust(PAGE, b"\0"))
        return frame

    def take_large(self) -> int:
        """The first of the neighbouring frames of a large page, aligned for it; pages appear as they are written.

        Raises:
            OutOfFramesError: no such group of frames is left.
        """
        if not self._large:
            raise OutOfFramesError("no room for another large page is left")
        return self._large.pop()

    def write(self, address: int, data: bytes) -> None:
        """Write within one frame."""
        page = self.pages.setdefault(address // PAGE, bytearray(PAGE))
        page[address % PAGE : address % PAGE + len(data)] = data
