"""The sample shows every part of a security context, and our plugins report what its answer key says.

So does the lab of every older generation of Windows, as far as that one had these parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from process_anatomy.walk.across.creation import FIRST_CREATOR_BUILD
from structs import builds
from structs.layout import Build
from structs.token import LOGON_SESSION, TOKEN
from tests.conftest import ROOT, Vol
from tests.generations import OLDER, lab
from tests.in_process import Rows
from tests.in_process import rows_of as rows_in_process
from tests.walk.damaged import kernel_of, listed_truth

SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
TRUTH: dict[str, Any] = json.loads((ROOT / "samples" / "lab-win11-22621.truth.json").read_text("utf-8"))
LEVELS = ["Anonymous", "Identification", "Impersonation", "Delegation"]
TYPES = {1: "INT64", 2: "UINT64", 3: "STRING", 4: "FQBN", 5: "SID", 6: "BOOLEAN", 16: "OCTET_STRING"}
CLAIMS = {
    "user": "user claim",
    "device": "device claim",
    "restricted_user": "restricted user claim",
    "restricted_device": "restricted device claim",
}
DEVICE_GROUPS = {"device_groups": "device group", "restricted_device_groups": "restricted device group"}
POLICIES = {
    "0000500000200000": "subcategory 5: success include and failure include; subcategory 11: success exclude",
    "5400000010000000": "System: failure include; Logon: success include and failure include",
}
"""How audit policies of the answer keys begin, and their words: four bits a subcategory, before Vista a category."""
Who = tuple[int, int | None]


@dataclass(frozen=True)
class Case:
    """An image whose answer key names every part of its tokens.

    Attributes:
        truth: the answer key.
        ask: name of a plugin to its rows.
        build: the kernel's layout.
        contexts: every token of the listed processes, by process and impersonating thread.
    """

    truth: dict[str, Any]
    ask: Callable[[str], Rows]
    build: Build
    contexts: dict[Who, dict[str, Any]]

    def has(self, field: str) -> bool:
        """Whether a token of this Windows has a field."""
        return field in self.build[TOKEN]

    @property
    def accounts(self) -> bool:
        """Whether a logon session tells the account's name and the linked session (since Windows Vista)."""
        return LOGON_SESSION in self.build and "BuddyLogonId" in self.build[LOGON_SESSION]


@pytest.fixture(scope="module", params=["sample", *OLDER])
def case(request: pytest.FixtureRequest, vol: Vol) -> Case:
    """The sample through `vol`, and the lab of each older generation."""
    if request.param == "sample":
        ask = lambda name: vol("-r", "json", "-f", SAMPLE, f"windows.anatomy.{name}").rows  # noqa: E731
        return Case(TRUTH, ask, builds.load(TRUTH["arguments"]["build"]), contexts_in(TRUTH))
    made = lab(request.param)
    kernel = kernel_of(made)
    return Case(made.truth, lambda name: rows_in_process(kernel, name), kernel.build, contexts_in(made.truth))


def contexts_in(truth: dict[str, Any]) -> dict[Who, dict[str, Any]]:
    """Every token of the answer key's listed processes, by process and impersonating thread."""
    found: dict[Who, dict[str, Any]] = {}
    for process in listed_truth(truth):
        found[process["pid"], None] = process["token"]
        for thread in process["threads"]:
            if thread["impersonation_token"]:
                found[process["pid"], thread["tid"]] = thread["impersonation_token"]
    return found


def who(row: dict[str, Any]) -> Who:
    """Whose row it is."""
    return row["PID"], row["TID"]


def spoken(policy: str | None) -> str:
    """A per-user audit policy of the answer key in words."""
    if policy is None:
        return "none"
    return next(words for start, words in POLICIES.items() if policy.startswith(start))


def moment(text: str | None) -> datetime | None:
    """A time of the answer key or of a JSON answer."""
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_tokens_have_every_fact_of_the_answer_key(case: Case) -> None:
    accounts = {s["luid"]: s for s in case.truth["logon_sessions"]}
    expected = {
        holder: (
            t["token_id"],
            t["user"],
            t["owner"],
            t["primary_group"],
            t["source"],
            t["source_identifier"],
            t["parent_token_id"] or None,
            t["modified_id"],
            t["origin_authentication_id"] or None,
            moment(t["expiration_time"]),
            t["lowbox_number"] if case.has("LowboxNumberEntry") else None,
            t["package"],
            bool(t["token_flags"] & 0x1000) if case.has("IntegrityLevelIndex") else None,
            len(t["restricted_sids"]),
            len(t["capabilities"]) if case.has("Capabilities") else None,
            len(t["security_attributes"]) if case.has("pSecurityAttributes") else None,
            LEVELS[t["impersonation_level"]] if holder[1] else None,
            accounts[t["authentication_id"]]["reference_count"] if case.has("LogonSession") else None,
            (accounts[t["authentication_id"]]["buddy_luid"] or None) if case.accounts else None,
            spoken(t["audit_policy"]),
        )
        for holder, t in case.contexts.items()
    }
    columns = (
        "TokenId", "User", "Owner", "PrimaryGroup", "Source", "SourceIdentifier", "ParentTokenId", "ModifiedId",
        "OriginatingLogonSession", "ExpirationTime", "LowboxNumber", "Package", "UIAccess", "RestrictedSids",
        "Capabilities", "SecurityAttributes", "ImpersonationLevel", "LogonReferences", "LinkedLogonSession",
    )  # fmt: skip
    rows = case.ask("tokens")
    for row in rows:
        row["ExpirationTime"] = moment(row["ExpirationTime"])
    assert {who(r): tuple(r[c] for c in (*columns, "AuditPolicy")) for r in rows} == expected
    assert {r["Problems"] for r in rows} == {None}


def test_claims_and_attributes_are_those_of_the_answer_key(case: Case) -> None:
    expected, every = [], []
    for holder, token in case.contexts.items():
        lists = {"security attribute": token["security_attributes"]}
        lists |= {kind: token["claims"][name] for name, kind in CLAIMS.items() if token["claims"]}
        for kind, attributes in lists.items():
            for a in attributes:
                every.append((holder, a))
                for index, value in enumerate(a["values"]):
                    expected.append((*holder, kind, a["name"], TYPES[a["type"]], index, written(value)))
    rows = case.ask("claims")
    columns = ("Kind", "Name", "ValueType", "Index", "Value")
    actual = [(*who(r), *(r[c] for c in columns)) for r in rows]
    assert sorted(actual, key=repr) == sorted(expected, key=repr)
    assert {r["ValueType"] for r in rows} == {TYPES[a["type"]] for _, a in every}
    assert case.truth is not TRUTH or {a["type"] for _, a in every} == set(TYPES)
    assert {r["Problems"] for r in rows} <= {None}


def written(value: Any) -> str:
    """A value as the plugin writes it."""
    if isinstance(value, dict):
        version = int(value["version"])
        return f"{value['name']}, version {'.'.join(str(version >> shift & 0xFFFF) for shift in (48, 32, 16, 0))}"
    return str(value)


def test_groups_of_every_kind_are_those_of_the_answer_key(case: Case) -> None:
    expected: dict[Who, list[tuple[str, str]]] = {}
    for holder, token in case.contexts.items():
        listed = [("user", token["sids"][0]["sid"])]
        listed += [("group", s["sid"]) for s in token["sids"][1:]]
        listed += [("restricted", s["sid"]) for s in token["restricted_sids"]]
        listed += [("capability", s["sid"]) for s in token["capabilities"]]
        for name, kind in DEVICE_GROUPS.items():
            listed += [(kind, s["sid"]) for s in token["claims"][name]] if token["claims"] else []
        listed += [("package", token["package"])] if token["package"] else []
        listed += [("trust level", token["trust_sid"])] if token["trust_sid"] else []
        expected[holder] = listed
    rows = case.ask("groups")
    actual: dict[Who, list[tuple[str, str]]] = {}
    for row in rows:
        actual.setdefault(who(row), []).append((row["Kind"], row["SID"]))
    assert actual == expected
    names = {row["SID"]: (row["Name"], row["NameSource"]) for row in rows}
    for sid, path in case.truth["profiles"].items():
        if sid in names and sid.startswith("S-1-5-21-"):
            assert names[sid][0].rpartition("\\")[2] == path.rpartition("\\")[2]
    if case.truth is not TRUTH:
        return
    assert ("registryRead", "capability list") in names.values()
    assert any(source == "image's services" for _, source in names.values())
    assert any(source == "package" for _, source in names.values())


def test_default_access_lists_are_those_of_the_answer_key(case: Case) -> None:
    actual: dict[Who, list[tuple[str, int, str]]] = {}
    for row in case.ask("dacls"):
        actual.setdefault(who(row), []).append((row["Type"], row["AccessMask"], row["SID"]))
        assert row["Problems"] is None
    assert actual == {
        holder: [("ALLOWED", ace["mask"], ace["sid"]) for ace in token["default_dacl"]]
        for holder, token in case.contexts.items()
    }


def test_creators_are_those_of_the_answer_key(case: Case) -> None:
    rows = {row["PID"]: row for row in case.ask("creation")}
    assert rows.keys() == {p["pid"] for p in listed_truth(case.truth)}
    for process in listed_truth(case.truth):
        told = (process["creator"] or None) if case.build.number >= FIRST_CREATOR_BUILD else None
        assert rows[process["pid"]]["CreatorPID"] == told
    if case.truth is TRUTH:
        assert len({row["Method"] for row in rows.values()}) == 10


def test_every_row_of_the_security_plugins_explains_itself(case: Case) -> None:
    for plugin in ("tokens", "groups", "privileges", "claims", "dacls", "creation"):
        rows = case.ask(plugin)
        assert all(row["Explanation"] for row in rows), plugin
        assert all(str(row["PID"]) in row["Explanation"] for row in rows), plugin
