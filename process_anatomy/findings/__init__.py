"""What does not fit together: pure rules over the tables that the walks give.

No rule reads memory, and none takes a value that could not be read for evidence.
"""

from process_anatomy.findings import (
    creation,
    handles,
    hiding,
    image,
    kernel_code,
    memory,
    names,
    security,
    smear,
    threads,
)
from process_anatomy.findings.rules import RULES, Finding, Judgement, Rule, Severity, findings, judged

__all__ = [
    "RULES", "Finding", "Judgement", "Rule", "Severity", "creation", "findings", "handles", "hiding", "image", "judged",
    "kernel_code", "memory", "names", "security", "smear", "threads",
]  # fmt: skip
