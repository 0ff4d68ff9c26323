"""Events for Timesketch: what happened when, one for each time of a row.

https://timesketch.org/guides/user/import-from-json-csv/ has the fields that every event must have: ``message``,
``datetime`` and ``timestamp_desc``; ``timestamp`` is the same moment in microseconds.  Numbers are such that
OpenSearch, which is behind it, can index them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from process_anatomy.fleet.exports.source import (
    Document,
    Source,
    cells,
    filled,
    microseconds,
    reasons,
    rows_of,
    write_lines,
)
from process_anatomy.views.declaration import Moment
from process_anatomy.views.events import events

DESCRIPTIONS = {
    Moment.CREATED: "Creation Time",
    Moment.ENDED: "Exit Time",
    Moment.LOADED: "Load Time",
    Moment.EXPIRES: "Expiration Time",
}
"""What Timesketch shows beside a time, in the words of Plaso, which most of its timelines come from."""


def documents(source: Source, name: str) -> Iterator[Document]:
    """The events that rows of a view tell."""
    for view, row in rows_of(source, name):
        for event in events(view, row):
            said = f"{event.thing} {event.moment.value}: {event.whose}"
            yield filled(
                {
                    "message": f"do not trust: {said}" if source.doubt else said,
                    "datetime": event.time.isoformat(timespec="microseconds"),
                    "timestamp": microseconds(event.time),
                    "timestamp_desc": DESCRIPTIONS[event.moment],
                    "data_type": f"windows:anatomy:{name}",
                    "image": source.origin.image,
                    "hostname": source.host,
                    **cells(view, row),
                    "absent": reasons(row),
                }
            )


def write(source: Source, name: str, file: BinaryIO) -> int:
    """Write the events of a view as JSON lines; gives how many."""
    return write_lines(documents(source, name), file)
