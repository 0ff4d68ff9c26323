"""How a file is packed, by its first bytes: names are what people make of them."""

from __future__ import annotations

from pathlib import Path

SIGNATURES = (
    (0, b"PK\3\4", "zip"),
    (0, b"PK\5\6", "zip"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"\x1f\x8b\x08", "gz"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"Rar!\x1a\x07", "rar"),
    (257, b"ustar", "tar"),
)
"""Offset, bytes and form: APPNOTE 4.3.7, 4.3.16, 7zFormat.txt, RFC 1952 2.3.1, xz-file-format 2.1.1.1, RAR 5.0, pax."""
BZIP2, BLOCK, END = b"BZh", b"1AY&SY", b"\x17rE8P\x90"
"""bzip2: its magic and a digit, then a block or the end of the stream."""
TAR_NAMES = {"gz": (".tar.gz", ".tgz"), "xz": (".tar.xz", ".txz"), "bz2": (".tar.bz2", ".tbz", ".tbz2")}
"""Names of a single packed file that is a tar; nothing in the packing itself says so."""
HEAD = 264


def packed_as(path: Path) -> str | None:
    """How a file is packed, one of :data:`process_anatomy.samples.catalogue.FORMS`; ``None`` where it is not.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        head = file.read(HEAD)
    form = next((form for at, magic, form in SIGNATURES if head[at : at + len(magic)] == magic), None)
    if form is None and head.startswith(BZIP2) and head[4:10] in (BLOCK, END):
        form = "bz2"
    return "tar" if form and path.name.casefold().endswith(TAR_NAMES.get(form, ("/",))) else form
