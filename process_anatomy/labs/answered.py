"""Answers of a student: the file that is filled in, and what was filled in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from process_anatomy.errors import LabError
from process_anatomy.labs.question import AnswerKind

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LARGEST = 1 << 20
"""Bytes of a file of answers that is read."""
GIVEN, HINTS, LAB = "answer", "hints", "lab"


@dataclass(frozen=True, slots=True)
class Answers:
    """What a student answered.

    Attributes:
        lab: identity of the lab that they are of.
        texts: name of a question to what was answered.
        hints: name of a question to how many hints were taken.
    """

    lab: str
    texts: Mapping[str, str]
    hints: Mapping[str, int]


def sheet(public: Mapping[str, Any]) -> str:
    """The file that a student fills in.

    Args:
        public: what the student may know of the lab.
    """
    lines = [
        f"# Answers to the lab {_comment(public['name'])} of {_comment(public['student'])}.",
        "# Write each answer between the quotation marks; leave it empty where you have none, which costs nothing.",
        "# hints is how many hints you took of a question: 0, 1, ...; their costs are taken from its points.",
        f'{LAB} = "{public["identity"]}"',
    ]
    for each in public["questions"]:
        lines += ["", f"# {_comment(each['text'])}", f"# {each['write']}", f"[{each['name']}]"]
        lines += [f"{GIVEN} = ''", f"{HINTS} = 0"]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    """Text in one line, which no file of TOML ends its comment at."""
    return "".join(c if c.isprintable() else "?" for c in text)


def read_answers(path: Path, public: Mapping[str, Any]) -> Answers:
    """The answers in a file.

    Args:
        path: the file.
        public: what the student may know of the lab.

    Raises:
        LabError: they are of another lab, or the file is none that can be graded; the message says which, and where.
    """
    try:
        content = path.read_bytes()
        whole = tomllib.loads(content[: LARGEST + 1].decode("utf-8-sig"))
    except FileNotFoundError:
        raise LabError(f"{path} is not there") from None
    except UnicodeDecodeError as error:
        raise LabError(f"{path} is no text in UTF-8 (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"{path} is no file of answers: {error}; an answer stands between single quotes") from None
    if len(content) > LARGEST:
        raise LabError(f"{path} is too large for a file of answers")
    lab = whole.pop(LAB, None)
    if not isinstance(lab, str):
        raise LabError(f'{path} does not say which lab it is of; it begins with {LAB} = "{public["identity"]}"')
    if lab != public["identity"]:
        raise LabError(f"{path} has answers of another lab ({lab}); this one is {public['identity']}")
    asked = {each["name"]: each for each in public["questions"]}
    if strange := [name for name in whole if name not in asked]:
        raise LabError(f"{path} answers {strange[0]!r}, which is no question of this lab: {', '.join(asked)}")
    texts, hints = {}, {}
    for name, each in asked.items():
        table = whole.get(name, {})
        if not isinstance(table, dict) or (odd := sorted(table.keys() - {GIVEN, HINTS})):
            what = "a table" if not isinstance(table, dict) else f"{GIVEN} and {HINTS}, not {odd[0]!r}"
            raise LabError(f"{path}: [{name}] takes {what}")
        texts[name] = _text(path, name, table.get(GIVEN, ""), AnswerKind[each["kind"]])
        hints[name] = _count(path, name, table.get(HINTS, 0), len(each["costs"]))
    return Answers(lab, texts, hints)


def _text(path: Path, name: str, value: object, kind: AnswerKind) -> str:
    """An answer as text, however TOML has it: who leaves the quotation marks out means the same."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:#x}" if kind is AnswerKind.ADDRESS else str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, list) and all(isinstance(each, (str, int)) for each in value):
        return ", ".join(_text(path, name, each, kind) for each in value)
    if isinstance(value, (str, float)):
        return str(value)
    raise LabError(f"{path}: the {GIVEN} to {name} is one text between quotation marks")


def _count(path: Path, name: str, value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise LabError(f"{path}: {HINTS} of {name} is how many were taken, from 0 to {most}")
    return value
