"""A lab that was handed out: what the student may know of it, and what its key opens."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from process_anatomy.errors import LabError
from process_anatomy.labs.lab import FORM, HANDOUT, IDENTITY_FILE, SEALED, Lab
from process_anatomy.labs.question import COMPONENTS, AnswerKind
from process_anatomy.labs.sealing import opened

CLASS = "class.json"
"""What says that a folder is of a class."""
LARGEST = 1 << 24
"""Bytes of what describes a lab."""


def is_class(folder: Path) -> bool:
    """Whether a folder holds the labs of a class."""
    return (folder / CLASS).is_file()


def handouts_in(folder: Path) -> dict[str, Path]:
    """Each student of a class to what was given away."""
    found = sorted(folder.glob(f"*/{HANDOUT}/{IDENTITY_FILE}"))
    return {path.parent.parent.name: path.parent for path in found}


def handout_of(folder: Path) -> Path:
    """The folder that the student was given, from it or from the lab's own.

    Raises:
        LabError: it is no lab.
    """
    for each in (folder, folder / HANDOUT):
        if (each / IDENTITY_FILE).is_file():
            return each
    raise LabError(f"{folder} is no lab: it holds no {IDENTITY_FILE}")


def public_of(handout: Path) -> dict[str, Any]:
    """What the student may know of a lab.

    Raises:
        LabError: it was damaged, or is of another version.
    """
    path = handout / IDENTITY_FILE
    try:
        public = json.loads(_read(path))
        if public["form"] != FORM:
            raise LabError(f"{path} is of form {public['form']}, and this version reads form {FORM}")
        for each in public["questions"]:
            AnswerKind[each["kind"]], COMPONENTS.index(each["component"]), len(each["costs"]), str(each["name"])
        if not all(isinstance(public[name], str) for name in ("identity", "name", "student", "image", "sha256")):
            raise LabError(f"{path} was damaged")
    except (KeyError, TypeError, ValueError) as error:
        raise LabError(f"{path} was damaged: {type(error).__name__} {error}") from None
    return dict(public)


def lab_of(handout: Path, key: str) -> Lab:
    """The lab with what is right.

    Args:
        handout: what the student was given.
        key: what opens the answers: text of the secret, of a key file of age's, or the passphrase.

    Raises:
        LabError: the key is another one, the answers are of another lab, or something was damaged.
        RequestError: pyrage is not installed, or the key is none.
    """
    public = public_of(handout)
    lab = Lab.read(opened(_read(handout / SEALED), key))
    if lab.identity != public["identity"]:
        raise LabError(f"{handout / SEALED} holds the answers of another lab ({lab.identity}), of {lab.student}")
    return lab


def image_of(handout: Path, lab: Lab) -> Path:
    """The image of a lab, as it was handed out.

    Raises:
        LabError: it is not there, or it was changed.
    """
    path = handout / lab.image
    try:
        with path.open("rb") as file:
            found = hashlib.sha256()
            while part := file.read(1 << 20):
                found.update(part)
    except FileNotFoundError:
        raise LabError(f"{path} is not there") from None
    if found.hexdigest() != lab.sha256:
        raise LabError(f"{path} is not the image that the questions are about: it was changed")
    return path


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise LabError(f"{path} is not there") from None
    if len(content) > LARGEST:
        raise LabError(f"{path} is too large for what it should be")
    return content
