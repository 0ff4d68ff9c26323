"""Archives as people publish memory images in them, made here."""

from __future__ import annotations

import io
import random
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import inflate64
import py7zr
import pyzipper

HEADER_OF_CIPHER = 12
"""Bytes before the data of a member that is encrypted as PKWARE did first (APPNOTE 6.1)."""
LOCAL_HEADER = b"PK\3\4"
DIRECTORY = b"PK\1\2"
FLAGS = {LOCAL_HEADER: 6, DIRECTORY: 8}
SIZES = {LOCAL_HEADER: 18, DIRECTORY: 20}
METHODS = {LOCAL_HEADER: 8, DIRECTORY: 10}


class _Cipher:
    """The three keys of APPNOTE 6.1.5, each step as it stands there."""

    def __init__(self, password: bytes) -> None:
        self._keys = [0x12345678, 0x23456789, 0x34567890]
        for byte in password:
            self._update(byte)

    def _update(self, byte: int) -> None:
        first = self._crc(self._keys[0], byte)
        second = (self._keys[1] + (first & 0xFF)) * 134775813 + 1 & 0xFFFFFFFF
        self._keys = [first, second, self._crc(self._keys[2], second >> 24)]

    @staticmethod
    def _crc(value: int, byte: int) -> int:
        return zlib.crc32(bytes([byte]), value ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    def seal(self, data: bytes) -> bytes:
        """Encrypt."""
        sealed = bytearray()
        for byte in data:
            mask = (self._keys[2] | 2) & 0xFFFF
            sealed.append(byte ^ (mask * (mask ^ 1) >> 8 & 0xFF))
            self._update(byte)
        return bytes(sealed)


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _replaced(name: str, data: bytes, packed: bytes, method: int, flags: int) -> bytes:
    """A zip of one member whose packed bytes are these, by this method."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        info = zipfile.ZipInfo(name)
        archive.writestr(info, packed)
    image = bytearray(file.getvalue())
    for signature, at in ((LOCAL_HEADER, 0), (DIRECTORY, image.index(DIRECTORY, len(packed)))):
        assert image[at : at + 4] == signature
        image[at + FLAGS[signature]] |= flags
        image[at + METHODS[signature]] = method
        sizes = at + SIZES[signature]
        image[sizes - 4 : sizes] = zlib.crc32(data).to_bytes(4, "little")
        image[sizes + 4 : sizes + 8] = len(data).to_bytes(4, "little")
    return bytes(image)


def zip_crypto(name: str, data: bytes, password: str) -> bytes:
    """A zip that is encrypted as PKWARE did first, which most courses use."""
    cipher = _Cipher(password.encode())
    check = zlib.crc32(data) >> 24
    sealed = cipher.seal(bytes(HEADER_OF_CIPHER - 1) + bytes([check]) + data)
    return _replaced(name, data, sealed, zipfile.ZIP_STORED, 1)


def zip_deflate64(name: str, data: bytes) -> bytes:
    """A zip as Windows packs files that are beyond 2 GB."""
    deflater = inflate64.Deflater()
    return _replaced(name, data, deflater.deflate(data) + deflater.flush(), 9, 0)


def zip_aes(members: Mapping[str, bytes], password: str) -> bytes:
    """A zip that is encrypted as WinZip does."""
    file = io.BytesIO()
    with pyzipper.AESZipFile(file, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(password.encode())
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def seven(members: Mapping[str, bytes], password: str | None = None, hidden: bool = False) -> bytes:
    """A 7z, whose names may be encrypted too."""
    file = io.BytesIO()
    with py7zr.SevenZipFile(file, "w", password=password, header_encryption=hidden) as archive:
        for name, data in members.items():
            archive.writestr(data, name)
    return file.getvalue()


def tarred(members: Mapping[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> bytes:
    """A tar, of files and of what else a tar may hold."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            if isinstance(data, tarfile.TarInfo):
                archive.addfile(data)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def memory(size: int = 1 << 16) -> bytes:
    """What a packer finds little in, as in memory."""
    return random.Random(size).randbytes(size // 2) + bytes(size - size // 2)


def written(folder: Path, name: str, data: bytes) -> Path:
    """An archive in a folder."""
    path = folder / name
    path.write_bytes(data)
    return path
