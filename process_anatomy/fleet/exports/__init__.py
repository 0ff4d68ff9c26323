"""Exports that other programs read, each as its reader has it: made of the flat rows of views, and of nothing else.

Facts and verdicts are in files of their own.  What there is no fact for is left out, and the reason is kept where a
form has a place for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO

from process_anatomy.errors import RequestError

if TYPE_CHECKING:
    from process_anatomy.fleet.exports.source import Source

Write = Callable[["Source", str, BinaryIO], int]
"""Writes what there is to say of a view's rows to a file, and gives how many objects, events or results that are."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form of exports.

    Attributes:
        name: as ``--format`` takes it.
        ending: of its files.
        views: the views that it can tell of, each in a file of its own.
        module: beside this one, with the function ``write``, which is a :data:`Write`.
        title: what it is, and for whom.
        library: that it needs beside what is always there.
    """

    name: str
    ending: str
    views: tuple[str, ...]
    module: str
    title: str
    library: str = ""

    def file(self, view: str) -> str:
        """The name of the file of a view."""
        return f"{view}.{self.ending}"

    def write(self) -> Write:
        """What writes its files."""
        found: Write = import_module(f"{__name__}.{self.module}").write
        return found


TIMED = ("processes", "threads", "modules", "tokens")
FORMS = {
    form.name: form
    for form in (
        Form("timesketch", "timesketch.jsonl", TIMED, "timesketch", "events for Timesketch, as JSON lines"),
        Form("timesketch-csv", "timesketch.csv", TIMED, "timesketch_csv", "events for Timesketch, as CSV"),
        Form("ecs", "ecs.jsonl", ("processes", "threads", "modules", "findings"), "ecs", "Elastic Common Schema 8.11"),
        Form("ocsf", "ocsf.jsonl", ("processes", "modules", "findings"), "ocsf", "OCSF 1.6.0"),
        Form("stix", "stix.json", ("processes",), "stix", "STIX 2.1, observed data", "stix2"),
        Form("sarif", "sarif", ("findings",), "sarif", "SARIF 2.1.0"),
    )
}
"""Name of a form to what it is."""


def chosen(form: Form, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The views that are exported, those wanted where some are.

    Raises:
        RequestError: the form has no place for one that is wanted, or needs a library that is not installed.
    """
    if form.library and find_spec(form.library) is None:
        raise RequestError(f"{form.name} needs {form.library}: pip install 'process-anatomy[exports]'")
    if strange := [name for name in wanted if name not in form.views]:
        raise RequestError(f"{form.name} has no place for the view {strange[0]!r}; it tells {', '.join(form.views)}")
    return tuple(dict.fromkeys(wanted)) or form.views
