"""What is asked about the security context: who the process acts as, and what its token allows."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.labs.asks.subject import Subject
from process_anatomy.labs.question import EASY, HARD, MEDIUM, AnswerKind, Question
from process_anatomy.views.records import Record

ABOUT = "security-context"
TELLING = (
    "SeDebugPrivilege",
    "SeImpersonatePrivilege",
    "SeTcbPrivilege",
    "SeBackupPrivilege",
    "SeLoadDriverPrivilege",
    "SeShutdownPrivilege",
    "SeChangeNotifyPrivilege",
)
"""Privileges that are asked for by name."""


def security(of: Subject) -> Iterator[Question]:
    """The questions about the token of a process, and those of its threads."""
    tokens = of.rows("tokens")
    primary = [row for row in tokens if row["TID"] is None]
    if len(primary) == 1:
        yield from _token(of, primary[0])
    acting = [row for row in tokens if row["TID"] is not None]
    if acting and of.whole("Threads") and of.whole("SecurityContext"):
        yield of.question(
            f"{ABOUT}/acting",
            HARD,
            f"Which threads of {of.name} act under a token of their own? Give their ids.",
            AnswerKind.NAMES,
            tuple(str(row["TID"]) for row in acting),
            view="tokens",
            column="TID",
            explanation="term/impersonation",
        )
    yield from _privileges(of)
    yield from _groups(of)


def _token(of: Subject, row: Record) -> Iterator[Question]:
    """Questions about the facts of a primary token, one a cell."""
    user, name, account = row["User"], row["UserName"], row["Account"]
    if isinstance(user, str) and isinstance(name, str):
        other = (str(account),) if isinstance(account, str) else ()
        yield of.question(
            f"{ABOUT}/user",
            EASY,
            f"Which account does {of.name} run as?",
            AnswerKind.NAME,
            name,
            view="tokens",
            column="UserName",
            stock="getsids",
            explanation="term/access-token",
            also=other,
            slips=((user, "that is its SID; the name is asked for"),),
        )
    if isinstance(user, str):
        yield of.question(
            f"{ABOUT}/sid",
            MEDIUM,
            f"Which SID has the user of {of.name}?",
            AnswerKind.NAME,
            user,
            view="tokens",
            column="User",
            stock="getsids",
            explanation="term/sid",
            slips=(
                (str(name or ""), "that is the name; the SID is asked for"),
                (user.rpartition("-")[0], "the last number is missing, which tells accounts of one machine apart"),
            ),
        )
    for key, column, text, explanation in (
        ("integrity", "Integrity", "Which integrity level has", "term/integrity-level"),
        ("elevation", "Elevation", "Which elevation type has the token of", "term/elevation"),
    ):
        told = row[column]
        if isinstance(told, str):
            yield of.question(
                f"{ABOUT}/{key}",
                EASY,
                f"{text} {of.name}?",
                AnswerKind.NAME,
                told,
                view="tokens",
                column=column,
                stock="getsids" if key == "integrity" else (),
                explanation=explanation,
            )
    logon = row["AuthenticationId"]
    if isinstance(logon, int):
        yield of.question(
            f"{ABOUT}/logon",
            HARD,
            f"Which LUID has the logon session that the token of {of.name} belongs to?",
            AnswerKind.ADDRESS,
            logon,
            view="tokens",
            column="AuthenticationId",
            explanation="term/logon-session",
            slips=((f"{row['TokenId']:#x}" if isinstance(row["TokenId"], int) else "", "that is the id of the token"),),
        )


def _privileges(of: Subject) -> Iterator[Question]:
    """Questions about the privileges of a primary token."""
    rows = [row for row in of.rows("privileges") if row["TID"] is None]
    if not rows or any(row["Attributes"] is None for row in rows):
        return
    states = {str(row["Privilege"]): str(row["Attributes"]).split(",") for row in rows}
    present = sum("Present" in state for state in states.values())
    enabled = sum("Enabled" in state for state in states.values())
    yield of.question(
        f"{ABOUT}/enabled",
        MEDIUM,
        f"How many privileges are enabled in the token of {of.name}?",
        AnswerKind.NUMBER,
        enabled,
        view="privileges",
        column="Attributes",
        stock="privileges",
        explanation="term/privilege",
        slips=((str(present), "so many does the token hold; not all of them are enabled"),),
    )
    for name in TELLING:
        if "Present" in states.get(name, ()):
            yield of.question(
                f"{ABOUT}/privilege",
                MEDIUM,
                f"Is {name} enabled in the token of {of.name}?",
                AnswerKind.YES_NO,
                "Enabled" in states[name],
                view="privileges",
                column="Attributes",
                stock="privileges",
                detail=name,
                explanation=f"privilege/{name}",
            )
    late = tuple(name for name, state in states.items() if "Enabled" in state and "Default" not in state)
    if late and len(late) <= len(TELLING):
        yield of.question(
            f"{ABOUT}/enabled-since",
            HARD,
            f"Which privileges were enabled in the token of {of.name} only after it was made?",
            AnswerKind.NAMES,
            late,
            view="privileges",
            column="Attributes",
            stock="privileges",
            explanation="term/privilege",
        )


def _groups(of: Subject) -> Iterator[Question]:
    """Questions about the groups of a primary token."""
    groups = [row for row in of.rows("groups") if row["TID"] is None and row["Kind"] == "group"]
    if not groups or not of.whole("SecurityContext") or any(row["Attributes"] is None for row in groups):
        return
    denying = [row for row in groups if "DenyOnly" in str(row["Attributes"]).split(",")]
    yield of.question(
        f"{ABOUT}/deny-only",
        MEDIUM,
        f"How many groups of the token of {of.name} can only deny access?",
        AnswerKind.NUMBER,
        len(denying),
        view="groups",
        column="Attributes",
        explanation="term/elevation",
    )
    administrators = [row for row in groups if row["SID"] == "S-1-5-32-544"]
    if administrators:
        yield of.question(
            f"{ABOUT}/administrators",
            HARD,
            f"Does the group Administrators grant {of.name} anything?",
            AnswerKind.YES_NO,
            "Enabled" in str(administrators[0]["Attributes"]).split(","),
            view="groups",
            column="Attributes",
            stock="getsids",
            explanation="group-attribute/DenyOnly",
        )
