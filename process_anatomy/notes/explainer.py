"""Explanations for the rows of one image, and for words without an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from process_anatomy.errors import RequestError
from process_anatomy.findings import Finding
from process_anatomy.kernel.identify import Crash
from process_anatomy.kernel.observations import Check
from process_anatomy.kernel.selfproof import Proof
from process_anatomy.notes import layout_rows, module_rows, page_rows, rows, security_rows
from process_anatomy.notes.block_rows import global_flag_notes, peb_note, teb_note, variable_note
from process_anatomy.notes.completeness_rows import completeness_note
from process_anatomy.notes.crossview_rows import absence_notes, crossview_note
from process_anatomy.notes.finding_rows import finding_note
from process_anatomy.notes.handle_rows import handle_note, step_note, way_note
from process_anatomy.notes.library import FAMILIES, Level, Note, default
from process_anatomy.notes.thread_rows import csr_gap_note, csr_note, thread_note
from process_anatomy.notes.working_set_rows import working_set_note
from process_anatomy.walk.across.completeness import Completeness
from process_anatomy.walk.across.creation import Creation
from process_anatomy.walk.across.starts import Starts
from process_anatomy.walk.across.structures import FieldRow
from process_anatomy.walk.address_space.page_comparison import PageRow
from process_anatomy.walk.address_space.vads import Vad
from process_anatomy.walk.address_space.working_sets import WorkingSet
from process_anatomy.walk.crossview.crossings import Crossing
from process_anatomy.walk.crossview.csr_processes import CsrProcess
from process_anatomy.walk.crossview.csr_roots import CsrRoot
from process_anatomy.walk.processes.kin import Kin
from process_anatomy.walk.processes.listed import Process
from process_anatomy.walk.program.environments import Variable
from process_anatomy.walk.program.images import Image
from process_anatomy.walk.program.modules import Module
from process_anatomy.walk.program.pebs import Peb
from process_anatomy.walk.security.acls import Ace
from process_anatomy.walk.security.attributes import Attribute
from process_anatomy.walk.security.groups import Group
from process_anatomy.walk.security.privileges import Privilege
from process_anatomy.walk.security.tokens import Token
from process_anatomy.walk.threads.tebs import Teb

if TYPE_CHECKING:
    from process_anatomy.walk.across.access import Step, Way
    from process_anatomy.walk.handles.opened import Handle

TEMPLATES = (
    "privilege-state",
    "vad-row",
    "token-row",
    "group-row",
    "attribute-row",
    "dacl-row",
    "creation-row",
    "module-row",
    "image-row",
    "process-row",
    "working-set-row",
    "field-row",
    "peb-row",
    "environment-row",
    "teb-row",
    "finding",
    "crossview-row",
    "completeness-row",
    "handle-row",
    "access-row",
    "thread-row",
    "csr-row",
    "check-outcome",
    "layout-verdict",
)
"""Families whose notes are for rows: they hold placeholders."""


class Explainer:
    """Joins each row with its note.

    Args:
        level: how much to say: ``off``, ``brief``, ``full`` or ``analogy``.
        processes: every process of the image, for the names of parents.
        tokens: the primary tokens, where rows tell of users.
        crash: the moment of the crash, where the image is a small dump.
        estimated: the layout is estimated, and every row shall say so.
    """

    def __init__(
        self,
        level: str,
        processes: Iterable[Process] = (),
        tokens: Iterable[Token] = (),
        crash: Crash | None = None,
        estimated: bool = False,
    ) -> None:
        self.level = Level(level)
        self.library = default()
        self.crash = crash
        self.estimated = estimated
        self._kin = Kin(processes)
        self._tokens = {row.process.address: row for row in tokens}

    def _text(self, key: str, facts: Mapping[str, object]) -> str | None:
        """The note at this level, with a word on the layout if that is estimated."""
        text = self.library.explain(key, self.level, facts)
        if self.estimated and text:
            text += " Layout estimated: " + self.library["term/estimated-layout"].brief
        return text or None

    def process(self, row: Process) -> str | None:
        """Of a process; ``None`` where nothing is to be said."""
        if self.level is Level.OFF:
            return None
        return self._text(*rows.process_note(row, self._kin, self._tokens.get(row.address), self.crash))

    def vad(self, row: Vad) -> str | None:
        """Of a node of a VAD tree."""
        return None if self.level is Level.OFF else self._text(*rows.vad_note(row, self.library))

    def page(self, row: PageRow) -> str | None:
        """Of the pages of a range."""
        return None if self.level is Level.OFF else self._text(*page_rows.page_note(row, self.library))

    def token(self, row: Token) -> str | None:
        """Of a token."""
        return None if self.level is Level.OFF else self._text(*security_rows.token_note(row))

    def privilege(self, row: Privilege) -> str | None:
        """Of a privilege of a token."""
        return None if self.level is Level.OFF else self._text(*security_rows.privilege_note(row, self.library))

    def privilege_title(self, row: Privilege) -> str:
        """A privilege in a few words, empty where no Windows has it."""
        return "" if not row.name else self.library[f"privilege/{row.name}"].title

    def group(self, row: Group, name: str) -> str | None:
        """Of a SID of a token, with the name that is known for it."""
        return None if self.level is Level.OFF else self._text(*security_rows.group_note(row, name))

    def attribute(self, row: Attribute, index: int = 0) -> str | None:
        """Of a value of a security attribute or claim."""
        return None if self.level is Level.OFF else self._text(*security_rows.attribute_note(row, index, self.library))

    def ace(self, token: Token, row: Ace, name: str) -> str | None:
        """Of an entry of a token's default access list, with the name that is known for its SID."""
        return None if self.level is Level.OFF else self._text(*security_rows.ace_note(token, row, name))

    def dacl(self, token: Token) -> str | None:
        """Of a token whose default access list has no entries to show."""
        return None if self.level is Level.OFF else self._text(*security_rows.dacl_note(token))

    def creation(self, row: Creation) -> str | None:
        """Of how a process was made."""
        return None if self.level is Level.OFF else self._text(*security_rows.creation_note(row))

    def working_set(self, row: WorkingSet) -> str | None:
        """Of what a process has in memory."""
        return None if self.level is Level.OFF else self._text(*working_set_note(row))

    def module(self, row: Module) -> str | None:
        """Of a module of a process."""
        return None if self.level is Level.OFF else self._text(*module_rows.module_note(row, self.library))

    def image(self, row: Image) -> str | None:
        """Of an image as it lies in memory."""
        return None if self.level is Level.OFF else self._text(*module_rows.image_note(row))

    def peb(self, row: Peb) -> str | None:
        """Of a PEB, with what the debugging aids that it names do."""
        if self.level is Level.OFF:
            return None
        return (self._text(*peb_note(row)) or "") + global_flag_notes(row, self.library) or None

    def variable(self, row: Variable) -> str | None:
        """Of an environment variable."""
        return None if self.level is Level.OFF else self._text(*variable_note(row))

    def teb(self, row: Teb) -> str | None:
        """Of a TEB."""
        return None if self.level is Level.OFF else self._text(*teb_note(row))

    def finding(self, row: Finding) -> str | None:
        """Of something that does not fit together."""
        return None if self.level is Level.OFF else self._text(*finding_note(row))

    def finding_innocent(self, row: Finding) -> str:
        """What else would give the same picture as a finding."""
        return self.library[f"finding/{row.rule}"].innocent

    def finding_technique(self, row: Finding) -> str:
        """The id of MITRE ATT&CK that a finding points to, empty where there is none."""
        return self.library[f"finding/{row.rule}"].technique

    def completeness(self, row: Completeness) -> str | None:
        """Of how much of a process could be read."""
        return None if self.level is Level.OFF else self._text(*completeness_note(row))

    def crossing(self, row: Crossing) -> str | None:
        """Of who sees a process, with the reasons of those that do not."""
        if self.level is Level.OFF:
            return None
        reasons = "" if self.level is Level.ANALOGY else absence_notes(row, self.library)
        return (self._text(*crossview_note(row)) or "") + reasons or None

    def handle(self, row: Handle) -> str | None:
        """Of an open handle."""
        return None if self.level is Level.OFF else self._text(*handle_note(row))

    def step(self, row: Step) -> str | None:
        """Of a handle that gives power over another process."""
        return None if self.level is Level.OFF else self._text(*step_note(row))

    def way(self, row: Way) -> str | None:
        """Of a way to a higher integrity level."""
        return None if self.level is Level.OFF else self._text(*way_note(row))

    def thread(self, row: Starts) -> str | None:
        """Of a thread, with where it starts."""
        return None if self.level is Level.OFF else self._text(*thread_note(row, self.library))

    def csr_process(self, row: CsrProcess, others: int) -> str | None:
        """Of an entry of the Windows subsystem's list, of which there are so many others."""
        return None if self.level is Level.OFF else self._text(*csr_note(row, others))

    def csr_gap(self, root: CsrRoot) -> str | None:
        """Of a csrss.exe whose list was not found."""
        return None if self.level is Level.OFF else self._text(*csr_gap_note(root))

    def check(self, row: Check) -> str | None:
        """Of a check of the layout: why it must be so, and how it came out."""
        if self.level is Level.OFF:
            return None
        must = self.library[f"layout-check/{row.id}"].brief
        return f"{must} {self.library.explain(*self._leveled(layout_rows.outcome_note(row)))}"

    def proof(self, row: Proof, layout: str) -> str | None:
        """Of the verdict on the layout with this name."""
        if self.level is Level.OFF:
            return None
        return self.library.explain(*self._leveled(layout_rows.verdict_note(row, layout)))

    def _leveled(self, note: tuple[str, Mapping[str, object]]) -> tuple[str, Level, Mapping[str, object]]:
        return note[0], self.level, note[1]

    def field(self, row: FieldRow) -> str | None:
        """Of a field of a structure."""
        return None if self.level is Level.OFF else self._text(*rows.field_note(row))


def about(question: str | None) -> Iterator[Note]:
    """The notes about a word: a family, an id, or a part of a title; components and terms without a question.

    Raises:
        RequestError: there is none.
    """
    library = default()
    shown = [family for family in FAMILIES if family not in TEMPLATES]
    if not question:
        for family in ("component", "term"):
            yield from (library[key] for key in library.ids(f"{family}/"))
        return
    wanted = question.strip().lower()
    notes = [library[key] for family in shown for key in library.ids(f"{family}/")]
    found = [n for n in notes if n.id.lower() == wanted or n.id.lower().startswith(f"{wanted}/")]
    found = found or [n for n in notes if wanted in (n.id.lower().partition("/")[2], n.id.lower().split("/")[-1])]
    found = found or [n for n in notes if wanted in n.title.lower() or wanted in n.id.lower()]
    if not found:
        raise RequestError(f"nothing is about {question!r}; kinds are {', '.join(shown)}")
    yield from found
