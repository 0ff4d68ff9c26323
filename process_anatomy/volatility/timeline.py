"""Our views with times as Volatility's timeliner asks for them, and with it all that read its interface.

Which plugins have times is what their views declare; the shells in ``plugins/`` know nothing of it.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from volatility3.plugins.timeliner import TimeLinerInterface, TimeLinerType

from process_anatomy.views.declaration import Moment, Row, View
from process_anatomy.views.events import events
from process_anatomy.views.flat import Origin, flat, flat_records
from process_anatomy.views.records import records
from process_anatomy.views.shown import safe_text

KINDS = {
    Moment.CREATED: TimeLinerType.CREATED,
    Moment.LOADED: TimeLinerType.CREATED,
    Moment.ENDED: TimeLinerType.MODIFIED,
}
"""As windows.pslist, thrdscan and dlllist have them; the timeliner has no kind for what did not happen yet."""


class OverView(ABCMeta):
    """The class of plugins over a view: one whose view has times that the timeliner can tell is asked for them."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **rest: Any) -> Any:
        """The class, with Volatility's interface among its bases where its view has times."""
        view = namespace.get("view")
        if isinstance(view, View) and any(column.moment in KINDS for column in view.columns):
            bases = (*bases, TimeLinerInterface)
        return super().__new__(mcs, name, bases, namespace, **rest)


def timeline(view: View, rows: Iterable[Row], doubt: str) -> Iterator[tuple[str, TimeLinerType, datetime]]:
    """Rows of a view as the timeliner takes them: which thing, in words that no other has, what happened, and when.

    Args:
        view: with times.
        rows: of it.
        doubt: why they are not to be trusted, in words that each then begins with; empty where they are.
    """
    form = flat(view)
    for row in flat_records(view, records(view, rows), Origin(None, None)):
        for event in events(form, row):
            if event.moment in KINDS:
                said = f"{event.thing} {event.whose}"
                yield safe_text(f"{doubt}: {said}" if doubt else said), KINDS[event.moment], event.time
