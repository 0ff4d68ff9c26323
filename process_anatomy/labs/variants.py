"""Which variant of a lab a student gets: decided by the teacher's secret, the lab and the student, and by nothing else.

Whoever has the secret can make any student's lab again.  Whoever has not can make none of them: the seed that an image
is forged from stands nowhere in what a student is given, and the forge would tell the answers of a seed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from process_anatomy.errors import LabError, RequestError

LEAST = 16
"""Bytes of a secret at the least; fewer could be tried one by one against a lab that was handed out."""
MOST = 1 << 16
LONGEST = 64
"""Characters of a student's id, or of a lab's name, at the most: they become names of files."""
STRANGE = frozenset('<>:"/\\|?*')
"""Characters that a file's name cannot hold on Windows, or that part folders."""
RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10))})


@dataclass(frozen=True, slots=True)
class Secret:
    """What only the teacher has.

    Attributes:
        content: its bytes.
    """

    content: bytes

    def __repr__(self) -> str:
        return "<the teacher's secret>"

    def derived(self, purpose: str, *parts: str) -> bytes:
        """HMAC-SHA256 of some texts, 32 bytes; other purposes and other divisions of the same text give others."""
        message = b"".join(len(each).to_bytes(4, "big") + each for each in map(str.encode, (purpose, *parts)))
        return hmac.new(self.content, message, hashlib.sha256).digest()

    def seed(self, lab: str, student: str) -> int:
        """What the image of a student's lab is forged from: 64 bits."""
        return int.from_bytes(self.derived("seed", lab, student)[:8], "big")

    def identity(self, lab: str, student: str) -> str:
        """What a student's lab is told from others by: 32 hexadecimal digits, which tell nothing of seed or secret."""
        return self.derived("identity", lab, student).hex()[:32]


def read_secret(path: Path) -> Secret:
    """The secret in a file, without white space around it.

    Raises:
        RequestError: it is not there, or it is too short to be one.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RequestError(f"{path} is not there; anatomy lab secret {path} makes one") from None
    if len(content) > MOST:
        raise RequestError(f"{path} is too long for a secret: {len(content):,} bytes, and {MOST:,} are allowed")
    content = content.strip()
    if len(content) < LEAST:
        raise RequestError(f"{path} is too short for a secret: {len(content)} bytes, and {LEAST} are needed")
    return Secret(content)


def write_secret(path: Path) -> None:
    """A new secret that only the owner of the file may read; nothing is overwritten.

    Raises:
        LabError: there is something of that name already.
        OSError: it cannot be written.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise LabError(f"{path} is there already, and a secret that is lost cannot be made again") from None
    with os.fdopen(file, "w", encoding="ascii") as opened:
        opened.write(f"{secrets.token_hex(32)}\n")


def file_name(text: str, what: str) -> str:
    """A student's id, or a lab's name, which becomes the name of a folder.

    Raises:
        RequestError: it cannot; one line says why.
    """
    if not text or len(text) > LONGEST:
        raise RequestError(f"{what} has from 1 to {LONGEST} characters, not {len(text)}")
    if not text.isprintable() or STRANGE & set(text) or text[0] in ". -" or text[-1] in ". ":
        raise RequestError(f"{what} {text!r} cannot be the name of a folder")
    if text.partition(".")[0].casefold() in RESERVED:
        raise RequestError(f"{what} {text!r} is a name that Windows keeps for a device")
    return text
