"""Which note belongs to a check of the layout and to the verdict of all, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.kernel.observations import Check, Outcome
from process_anatomy.kernel.selfproof import Proof, Verdict
from process_anatomy.notes.explainer import Told
from process_anatomy.notes.library import Library
from process_anatomy.notes.process_rows import count
from structs.kernel_files import KernelFile

OUTCOMES = {Outcome.FITS: "fits", Outcome.MOSTLY: "mostly", Outcome.WRONG: "wrong", Outcome.UNKNOWN: "unknown"}
VERDICTS = {Verdict.EXACT: "exact", Verdict.CONSISTENT: "consistent", Verdict.DOUBTFUL: "doubtful"}


def outcome_note(check: Check) -> tuple[str, dict[str, object]]:
    """The note of how a check came out."""
    facts: dict[str, object] = {
        "field": check.about,
        "passed": count(check.passed, "object"),
        "failed": count(check.failed, "object"),
        "unreadable": count(check.unreadable, "object"),
    }
    return f"check-outcome/{OUTCOMES[check.outcome]}", facts


def verdict_note(proof: Proof, layout: str, file: KernelFile | None = None) -> tuple[str, dict[str, object]]:
    """The note of the verdict on a layout with this name, of a kernel with this file where it is known."""
    facts: dict[str, object] = {
        "layout": layout,
        "file": f" ({file}, by its {file.known_by})" if file else "",
        "reason": proof.reason.partition(": ")[2] or proof.reason,
        "passed": proof.passed,
        "failed": proof.failed,
        "unreadable": proof.unreadable,
    }
    kind = VERDICTS[proof.verdict]
    return f"layout-verdict/{'of-the-build' if proof.small and kind == 'exact' else kind}", facts


def check_row(check: Check, library: Library) -> Told:
    """All that is said of a check of the layout: why it must be so, and how it came out."""
    must = library[f"layout-check/{check.id}"].brief
    told = f"{check.told}. " if check.told else ""
    return Told(*outcome_note(check), before=f"{must} {told}")


def verdict_row(proof: Proof, layout: str, file: KernelFile | None = None) -> Told:
    """What is said of the verdict on the layout with this name, which the verdict itself calls estimated."""
    return Told(*verdict_note(proof, layout, file))
