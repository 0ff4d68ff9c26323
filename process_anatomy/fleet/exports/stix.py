"""Observed data in STIX 2.1: the processes of an image, their programs and users; made by the library stix2.

Files, folders and accounts have the ids that the standard derives from what they are.  It has none for processes: they,
and what was observed, have ids in the form of random ones, which are the same in every export of an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO

from process_anatomy.errors import RequestError
from process_anatomy.fleet.exports.source import Source, basename, filled, reasons
from process_anatomy.fleet.exports.whole import Whole
from process_anatomy.views.schema import utf8

INTEGRITY = ("low", "medium", "high", "system")
"""Levels that the standard has a word for."""


def write(source: Source, name: str, file: BinaryIO) -> int:
    """Write a bundle, object by object; gives how many.

    Raises:
        RequestError: the image does not tell when it was taken.
    """
    import stix2.v21 as stix

    if source.origin.captured is None:
        raise RequestError("STIX says when things were observed, and this image does not tell when it was taken")
    file.write(f'{{"type": "bundle", "id": "bundle--{source.id("bundle", name)}", "objects": ['.encode())
    count = 0
    for one in _objects(source, source.origin.captured, stix):
        file.write((b",\n" if count else b"\n") + one.serialize().encode())
        count += 1
    file.write(b"\n]}\n")
    return count


def _objects(source: Source, captured: datetime, stix: Any) -> Iterator[Any]:
    """Each object once, those that others refer to before them."""
    told: set[str] = set()
    times = {"created": captured, "modified": captured}
    us = stix.Identity(
        id=f"identity--{source.id('identity')}", name="process-anatomy", identity_class="system", **times
    )
    yield us
    common = {**times, "created_by_ref": us.id, **({"labels": ["do-not-trust"]} if source.doubt else {})}
    for whole in source.wholes:
        mine = list(_of_process(source, whole, stix))
        for one in mine:
            if one.id not in told:
                told.add(one.id)
                yield one
        if mine:
            yield stix.ObservedData(
                id=f"observed-data--{source.id('observed', whole.row['row'])}",
                first_observed=captured,
                last_observed=captured,
                number_observed=1,
                object_refs=list(dict.fromkeys(one.id for one in mine)),
                external_references=[{"source_name": "memory image", "external_id": source.origin.image or "unnamed"}],
                **common,
            )
        if (why := _unread(whole)) is not None:
            yield stix.Note(
                id=f"note--{source.id('unread', whole.row['row'])}",
                abstract="What could not be read of this process",
                content=utf8(why),
                object_refs=[_id(source, whole) if any(one.type == "process" for one in mine) else us.id],
                **common,
            )


def _unread(whole: Whole) -> str | None:
    """Why there are facts missing of a process; ``None`` where none is."""
    problems = whole.row["Problems"]
    lines = [*(problems if isinstance(problems, list) else ()), reasons(whole.row)]
    return "; ".join(filter(None, lines)) or None


def _id(source: Source, whole: Whole) -> str:
    return f"process--{source.id_of(whole)}"


def _of_process(source: Source, whole: Whole, stix: Any) -> Iterator[Any]:
    """Its program and the folder of that, its user, then the process."""
    row, image = whole.row, None
    path, name = row["ImagePath"], basename(row["ImagePath"])
    if isinstance(path, str) and name is not None:
        folder = path[: -len(name)].rstrip("\\/")
        directory = stix.Directory(path=utf8(folder)) if folder else None
        if directory is not None:
            yield directory
        image = stix.File(**_known(name=name, parent_directory_ref=directory and directory.id))
        yield image
    if whole.user is not None:
        yield stix.UserAccount(**_known(user_id=whole.user, account_login=whole.user_name, display_name=whole.account))
    level = whole.integrity if whole.integrity in INTEGRITY else None
    extension = filled({"owner_sid": whole.user, "integrity_level": level})
    known = _known(
        pid=whole.pid,
        created_time=row["CreateTime"],
        cwd=whole.folder,
        command_line=whole.command_line,
        image_ref=image and image.id,
        parent_ref=_parent(source, whole),
    )
    if known:  # the standard has no process of which nothing is known
        more = {"extensions": {"windows-process-ext": extension}} if extension else {}
        yield stix.Process(id=_id(source, whole), **known, **more)


def _parent(source: Source, whole: Whole) -> str | None:
    """The process that made another, where one alone has its id and was there by then: ids are given out again."""
    parent = source.by_pid.get(whole.row["PPID"]) if isinstance(whole.row["PPID"], int) else None
    if parent is None or parent is whole:
        return None
    made, then = parent.row["CreateTime"], whole.row["CreateTime"]
    return _id(source, parent) if isinstance(made, datetime) and isinstance(then, datetime) and made <= then else None


def _known(**values: Any) -> dict[str, Any]:
    return {name: utf8(value) for name, value in values.items() if value is not None}
