"""Sealed answers: an age file (https://age-encryption.org/v1) that the teacher's secret, key or passphrase opens.

What is sealed for the teacher's secret is sealed for a key that is derived from it, so that one file is all there is to
keep, and thirty labs cost no thirty slow derivations of a passphrase.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from process_anatomy.errors import LabError, RequestError
from process_anatomy.labs.variants import Secret

MISSING = "sealed answers need pyrage: pip install 'process-anatomy[labs]'"
IDENTITY, RECIPIENT = "AGE-SECRET-KEY-", "age1"
BY_PASSPHRASE = b"\n-> scrypt "
"""What the header of a file holds that a passphrase opens."""
LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def ready() -> None:
    """There must be what seals answers: nothing is forged before.

    Raises:
        RequestError: pyrage is not installed.
    """
    _pyrage()


def _pyrage() -> ModuleType:
    try:
        import pyrage
    except ImportError:
        raise RequestError(MISSING) from None
    module: ModuleType = pyrage
    return module


def _checked(values: Iterable[int]) -> int:
    """The remainder that Bech32 checks (BIP 173)."""
    remainder = 1
    for value in values:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate(GENERATOR):
            remainder ^= term if top >> bit & 1 else 0
    return remainder


def bech32(prefix: str, content: bytes) -> str:
    """Bytes as text with a check sum, as age writes keys (BIP 173), in small letters."""
    bits = int.from_bytes(content, "big") << (-len(content) * 8 % 5)
    count = -(-len(content) * 8 // 5)
    values = [bits >> 5 * (count - 1 - at) & 31 for at in range(count)]
    head = [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix)]
    check = _checked([*head, *values, *[0] * 6]) ^ 1
    return f"{prefix}1" + "".join(LETTERS[v] for v in [*values, *(check >> 5 * (5 - at) & 31 for at in range(6))])


def _own(secret: Secret) -> Any:
    """The key that is derived from a secret."""
    return _pyrage().x25519.Identity.from_str(bech32("age-secret-key-", secret.derived("age")).upper())


def recipient_of(secret: Secret) -> str:
    """Whom things are sealed for that only this secret opens."""
    return str(_own(secret).to_public())


def seal(content: bytes, recipients: Iterable[str] = (), passphrase: str | None = None) -> bytes:
    """Content that only those can read who have the key of a recipient, or the passphrase.

    Args:
        content: what is sealed.
        recipients: ``age1…``; none where there is a passphrase.
        passphrase: of the teacher's; a slow derivation, about a second, is part of each sealing and opening.

    Raises:
        RequestError: pyrage is not installed, or a recipient is none.
    """
    pyrage = _pyrage()
    if passphrase is not None:
        return bytes(pyrage.passphrase.encrypt(content, passphrase))
    try:
        keys = [pyrage.x25519.Recipient.from_str(each) for each in recipients]
    except pyrage.RecipientError as error:
        raise RequestError(f"no recipient of age's (age1…): {error}") from None
    if not keys:
        raise RequestError("sealed answers need somebody who can open them: a secret, a recipient or a passphrase")
    return bytes(pyrage.encrypt(content, keys))


def opened(sealed: bytes, key: str) -> bytes:
    """What was sealed.

    Args:
        sealed: the file.
        key: what opens it: the text of the secret, of a file of age-keygen, or the passphrase.

    Raises:
        RequestError: pyrage is not installed, or the key is too short to be one.
        LabError: it is no sealed file, or the key is another one; the message tells the two apart.
    """
    pyrage = _pyrage()
    key = key.strip()
    if not sealed.startswith(b"age-encryption.org/v1\n"):
        raise LabError("the sealed answers are no age file, or were cut")
    by_passphrase = BY_PASSPHRASE in sealed.partition(b"\n---")[0]
    try:
        if by_passphrase:
            return bytes(pyrage.passphrase.decrypt(sealed, key))
        return bytes(pyrage.decrypt(sealed, _identities(key)))
    except pyrage.DecryptError as error:
        if _damaged(str(error)):
            raise LabError(f"the sealed answers were changed or cut: {error}") from None
        what = "passphrase" if by_passphrase else "key"
        raise LabError(f"the {what} is not the one that these answers were sealed with") from None


def _identities(key: str) -> list[Any]:
    """The keys that a text holds: those of age-keygen, one a line, or the one that is derived from a secret."""
    pyrage = _pyrage()
    lines = [line.strip() for line in key.splitlines()]
    try:
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line.upper().startswith(IDENTITY)]
    except pyrage.IdentityError as error:
        raise RequestError(f"no key of age's: {error}") from None
    return found or [_own(Secret(key.encode()))]


def _damaged(message: str) -> bool:
    """Whether the words of an error mean that the file, and not the key, is wrong."""
    return not any(word in message.casefold() for word in ("no matching", "decryption failed", "passphrase"))
