"""What of a note belongs to a row: the terms that a row is an example of, the nearest first."""

from __future__ import annotations

from collections.abc import Mapping

SPACE, PROGRAM, HANDLES = "component/private-address-space", "component/executable-program", "component/open-handles"
SECURITY, NUMBER, THREADS = "component/security-context", "component/process-id", "component/threads"
TOKEN, TREE, PEB = "term/access-token", "term/vad-tree", "term/peb"
TOPICS: Mapping[str, tuple[str, ...]] = {
    "process-row": ("term/process", "term/eprocess", NUMBER),
    "vad-row": ("term/vad-node", "term/vad", TREE, SPACE),
    "page-row": (SPACE,),
    "working-set-row": ("term/working-set", SPACE),
    "token-row": (TOKEN, SECURITY),
    "group-row": ("term/sid", SECURITY, TOKEN),
    "privilege-state": ("term/privilege", SECURITY, TOKEN),
    "attribute-row": ("term/claim", "term/security-attribute", SECURITY),
    "dacl-row": ("term/default-dacl", SECURITY),
    "creation-row": ("term/create-process", "term/creator-and-parent", NUMBER),
    "module-row": (PROGRAM,),
    "image-row": (PROGRAM,),
    "peb-row": (PEB, PROGRAM),
    "environment-row": (PEB, PROGRAM),
    "teb-row": ("term/ethread", THREADS),
    "thread-row": (THREADS, "term/ethread"),
    "handle-row": (HANDLES,),
    "access-row": (HANDLES,),
    "csr-row": ("term/csr-process",),
    "crossview-row": (NUMBER, "term/eprocess"),
    "completeness-row": ("term/process",),
    "finding": (),
}
"""Family of a row's note to ids of what it is an example of."""
NEARER: Mapping[str, tuple[str, ...]] = {
    "creation-row/as-user": ("term/create-process-as-user",),
    "creation-row/with-logon": ("term/create-process-as-user",),
    "creation-row/restricted": ("term/restricted-token",),
    "creation-row/app-container": ("term/appcontainer",),
    "creation-row/elevation": ("term/elevation",),
    "creation-row/administrator-protection": ("term/administrator-protection",),
    "creation-row/other-creator": ("term/creator-and-parent",),
    "token-row/impersonation": ("term/impersonation",),
    "token-row/identification": ("term/impersonation",),
    "token-row/restricted": ("term/restricted-token",),
    "token-row/app-container": ("term/appcontainer",),
    "token-row/limited": ("term/elevation",),
    "token-row/elevated": ("term/elevation",),
    "group-row/integrity": ("term/integrity-level",),
    "group-row/capability": ("term/capability",),
    "group-row/package": ("term/appcontainer",),
    "group-row/restricted": ("term/restricted-token",),
    "process-row/small-dump": ("term/small-dump",),
    "peb-row/small-dump": ("term/small-dump",),
}
"""Id of a row's note to what it is a nearer example of."""
STRUCTURES: Mapping[str, str] = {
    "_EPROCESS": "term/eprocess",
    "_KPROCESS": "term/eprocess",
    "_ETHREAD": "term/ethread",
    "_KTHREAD": "term/ethread",
    "_PEB": PEB,
    "_TOKEN": TOKEN,
    "_MMVAD": "term/vad",
    "_MMVAD_SHORT": "term/vad",
    "_HANDLE_TABLE": HANDLES,
}
"""Structure that a row of ``dt`` is a field of, to what it is an example of."""


def topics(key: str, facts: Mapping[str, object]) -> tuple[str, ...]:
    """Ids of what a row is an example of, the nearest first.

    Args:
        key: id of the row's note.
        facts: what fills it in.
    """
    family, _, name = key.partition("/")
    found = (*NEARER.get(key, ()), *TOPICS.get(family, ()))
    if family == "privilege-state":
        return (f"privilege/{facts.get('privilege', '')}", *found)
    if family == "finding":
        return (f"finding/{name}",)
    if family == "field-row":
        topic = STRUCTURES.get(str(facts.get("structure", "")), "")
        return (topic,) if topic else ()
    return found
