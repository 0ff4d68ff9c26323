"""A variant is decided by secret, lab and student alone, and only who has the secret opens what is sealed."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.errors import LabError, RequestError
from process_anatomy.labs.sealing import opened, recipient_of, seal
from process_anatomy.labs.variants import Secret, file_name, read_secret, write_secret

SECRET = Secret(b"sixteen bytes or more")
NAMES = st.text("ab/\0\u00e9", max_size=4)


@given(NAMES, NAMES, NAMES, NAMES)
def test_two_variants_share_a_seed_only_where_lab_and_student_are_the_same(a: str, b: str, c: str, d: str) -> None:
    assert (SECRET.seed(a, b) == SECRET.seed(c, d)) == ((a, b) == (c, d))


def test_a_seed_is_hmac_sha256_of_lab_and_student_and_nothing_else() -> None:
    message = b"\0\0\0\4seed\0\0\0\3lab\0\0\0\3ada"
    expected = hmac.new(SECRET.content, message, hashlib.sha256).digest()
    assert int.from_bytes(expected[:8], "big") == SECRET.seed("lab", "ada")
    assert Secret(b"another secret of it").seed("lab", "ada") != SECRET.seed("lab", "ada")


def test_a_secret_is_written_for_its_owner_alone_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_secret(path)
    first = read_secret(path)
    if os.name != "nt":
        assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(LabError, match="there already"):
        write_secret(path)
    assert read_secret(path) == first
    assert first.content.decode() not in repr(first)


@pytest.mark.parametrize(
    ("content", "what"), [(b"short", "too short"), (b" " * 40, "too short"), (b"x" * 70000, "too long")]
)
def test_what_is_no_secret_is_told(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=what):
        read_secret(path)
    with pytest.raises(RequestError, match="anatomy lab secret"):
        read_secret(tmp_path / "absent")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "-o", "a\nb", "con", "NUL.txt", "x" * 65, "end."])
def test_an_id_that_cannot_name_a_folder_is_told(name: str) -> None:
    with pytest.raises(RequestError, match="the student's id"):
        file_name(name, "the student's id")


@settings(max_examples=20)
@given(st.binary(min_size=16, max_size=64))
def test_a_key_that_is_derived_from_any_secret_is_one_that_age_takes(content: bytes) -> None:
    recipient = recipient_of(Secret(content))
    assert str(pyrage.x25519.Recipient.from_str(recipient)) == recipient


def test_the_secret_opens_what_was_sealed_for_it_and_another_does_not() -> None:
    sealed = seal(b"right", [recipient_of(SECRET)])
    assert opened(sealed, f"{SECRET.content.decode()}\n") == b"right"
    with pytest.raises(LabError, match="the key is not the one"):
        opened(sealed, "another secret of it")


def test_a_key_file_of_age_opens_what_was_sealed_for_its_recipient() -> None:
    identity = pyrage.x25519.Identity.generate()
    sealed = seal(b"right", [recipient_of(SECRET), str(identity.to_public())])
    assert opened(sealed, f"# public key: {identity.to_public()}\n{identity}\n") == b"right"
    assert opened(sealed, SECRET.content.decode()) == b"right"


def test_a_wrong_passphrase_is_told_from_a_damaged_file() -> None:
    sealed = seal(b"right", passphrase="correct horse")
    with pytest.raises(LabError, match="the passphrase is not the one"):
        opened(sealed, "battery staple")
    with pytest.raises(LabError, match="changed or cut"):
        opened(sealed[:-1], "correct horse")
    with pytest.raises(LabError, match="no age file"):
        opened(b"", "correct horse")


def test_what_is_no_recipient_is_told() -> None:
    with pytest.raises(RequestError, match="no recipient"):
        seal(b"right", ["age1nobody"])
    with pytest.raises(RequestError, match="somebody who can open"):
        seal(b"right")
