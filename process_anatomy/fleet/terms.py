"""How each image of a case is exported, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from process_anatomy.samples.unpack import SIZE_LIMIT

RATIO = 1000
"""How many times its own size an archive may unpack to: forged images, which are nearly empty, come near it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How every image is exported.

    Attributes:
        form: format of the files.
        views: names of views, every one where none is named.
        explain: how much rows say of themselves.
        hashed: images are named by their SHA-256, else by the hash of their path.
        timeout: seconds that an image may take.
        memory: bytes that each of its processes may have, 0 where there is no limit.
        unpacked: bytes that an archive may unpack to.
        ratio: how many times its own size an archive may unpack to.
        keep: what was unpacked stays in the case.
        page_files: page files that lie beside an image are read with it, and are no images themselves.
        hands: processes of an image that write its largest tables side by side.
    """

    form: str = "parquet"
    views: tuple[str, ...] = ()
    explain: str = "off"
    hashed: bool = True
    timeout: float = 3600
    memory: int = 0
    unpacked: int = SIZE_LIMIT
    ratio: int = RATIO
    keep: bool = False
    page_files: bool = False
    hands: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an image.

    Attributes:
        path: of the image, or of the archive that it lies in.
        size: bytes of that file.
        status: exit status of its export; ``None`` where it was not tried, or given up.
        folder: its export inside the case, empty where there is none.
        member: its path inside the archive, empty where it lies in none.
        image: what its rows call it.
        rows: how many rows, of all views.
        windows: the kernel's file or build.
        layout: where the layout comes from that it was read with.
        findings: severity to how many findings.
        problem: why there are no rows, or why they are not whole, in one line.
        seconds: that it took.
        started: when, in ISO 8601 and UTC.
        tries: how often it was tried in this run, 0 where an earlier run did it.
        cut: it was given up, or its process ended: another try may go better.
        blocked: why nothing can be written into the case, which no other image would change.
    """

    path: str
    size: int
    status: int | None
    folder: str = ""
    member: str = ""
    image: str = ""
    rows: int = 0
    windows: str = ""
    layout: str = ""
    findings: dict[str, int] = field(default_factory=dict)
    problem: str = ""
    seconds: float = 0
    started: str = ""
    tries: int = 0
    cut: bool = False
    blocked: str = ""

    @property
    def done(self) -> bool:
        """Whether there are rows of it."""
        return bool(self.folder)
