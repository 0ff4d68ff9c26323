"""The sample shows every part of a security context, and our plugins report what its answer key says."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tests.conftest import ROOT, Vol
from tests.walk.damaged import listed_truth

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
Who = tuple[int, int | None]


@pytest.fixture(scope="module")
def contexts() -> dict[Who, dict[str, Any]]:
    """Every token of the answer key's listed processes, by process and impersonating thread."""
    found: dict[Who, dict[str, Any]] = {}
    for process in listed_truth(TRUTH):
        found[process["pid"], None] = process["token"]
        for thread in process["threads"]:
            if thread["impersonation_token"]:
                found[process["pid"], thread["tid"]] = thread["impersonation_token"]
    return found


def who(row: dict[str, Any]) -> Who:
    """Whose row it is."""
    return row["PID"], row["TID"]


def rows_of(vol: Vol, plugin: str) -> list[dict[str, Any]]:
    """The rows of one of our plugins over the sample."""
    return vol("-r", "json", "-f", SAMPLE, f"windows.anatomy.{plugin}").rows


def moment(text: str | None) -> datetime | None:
    """A time of the answer key or of a JSON answer."""
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_tokens_have_every_fact_of_the_answer_key(vol: Vol, contexts: dict[Who, dict[str, Any]]) -> None:
    accounts = {s["luid"]: s for s in TRUTH["logon_sessions"]}
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
            t["lowbox_number"],
            t["package"],
            bool(t["token_flags"] & 0x1000),
            len(t["restricted_sids"]),
            len(t["capabilities"]),
            len(t["security_attributes"]),
            LEVELS[t["impersonation_level"]] if holder[1] else None,
            accounts[t["authentication_id"]]["reference_count"],
            accounts[t["authentication_id"]]["buddy_luid"] or None,
            t["audit_policy"] is None,
        )
        for holder, t in contexts.items()
    }
    columns = (
        "TokenId", "User", "Owner", "PrimaryGroup", "Source", "SourceIdentifier", "ParentTokenId", "ModifiedId",
        "OriginatingLogonSession", "ExpirationTime", "LowboxNumber", "Package", "UIAccess", "RestrictedSids",
        "Capabilities", "SecurityAttributes", "ImpersonationLevel", "LogonReferences", "LinkedLogonSession",
    )  # fmt: skip
    rows = rows_of(vol, "tokens")
    for row in rows:
        row["ExpirationTime"] = moment(row["ExpirationTime"])
    assert {who(r): (*(r[c] for c in columns), r["AuditPolicy"] == "none") for r in rows} == expected
    assert {r["Problems"] for r in rows} == {None}


def test_claims_and_attributes_are_those_of_the_answer_key(vol: Vol, contexts: dict[Who, dict[str, Any]]) -> None:
    expected = []
    for holder, token in contexts.items():
        lists = {"security attribute": token["security_attributes"]}
        lists |= {kind: token["claims"][name] for name, kind in CLAIMS.items() if token["claims"]}
        for kind, attributes in lists.items():
            for a in attributes:
                for index, value in enumerate(a["values"]):
                    expected.append((*holder, kind, a["name"], TYPES[a["type"]], index, written(value)))
    rows = rows_of(vol, "claims")
    columns = ("Kind", "Name", "ValueType", "Index", "Value")
    actual = [(*who(r), *(r[c] for c in columns)) for r in rows]
    assert sorted(actual, key=repr) == sorted(expected, key=repr)
    assert {r["ValueType"] for r in rows} == set(TYPES.values())
    assert {r["Problems"] for r in rows} == {None}


def written(value: Any) -> str:
    """A value as the plugin writes it."""
    if isinstance(value, dict):
        version = int(value["version"])
        return f"{value['name']}, version {'.'.join(str(version >> shift & 0xFFFF) for shift in (48, 32, 16, 0))}"
    return str(value)


def test_groups_of_every_kind_are_those_of_the_answer_key(vol: Vol, contexts: dict[Who, dict[str, Any]]) -> None:
    expected: dict[Who, list[tuple[str, str]]] = {}
    for holder, token in contexts.items():
        listed = [("user", token["sids"][0]["sid"])]
        listed += [("group", s["sid"]) for s in token["sids"][1:]]
        listed += [("restricted", s["sid"]) for s in token["restricted_sids"]]
        listed += [("capability", s["sid"]) for s in token["capabilities"]]
        for name, kind in DEVICE_GROUPS.items():
            listed += [(kind, s["sid"]) for s in token["claims"][name]] if token["claims"] else []
        listed += [("package", token["package"])] if token["package"] else []
        listed += [("trust level", token["trust_sid"])] if token["trust_sid"] else []
        expected[holder] = listed
    rows = rows_of(vol, "groups")
    actual: dict[Who, list[tuple[str, str]]] = {}
    for row in rows:
        actual.setdefault(who(row), []).append((row["Kind"], row["SID"]))
    assert actual == expected
    names = {row["SID"]: (row["Name"], row["NameSource"]) for row in rows}
    for sid, path in TRUTH["profiles"].items():
        if sid in names and sid.startswith("S-1-5-21-"):
            assert names[sid][0].rpartition("\\")[2] == path.rpartition("\\")[2]
    assert ("registryRead", "capability list") in names.values()
    assert any(source == "image's services" for _, source in names.values())
    assert any(source == "package" for _, source in names.values())


def test_default_access_lists_are_those_of_the_answer_key(vol: Vol, contexts: dict[Who, dict[str, Any]]) -> None:
    actual: dict[Who, list[tuple[str, int, str]]] = {}
    for row in rows_of(vol, "dacls"):
        actual.setdefault(who(row), []).append((row["Type"], row["AccessMask"], row["SID"]))
        assert row["Problems"] is None
    assert actual == {
        holder: [("ALLOWED", ace["mask"], ace["sid"]) for ace in token["default_dacl"]]
        for holder, token in contexts.items()
    }


def test_creators_are_those_of_the_answer_key(vol: Vol) -> None:
    rows = {row["PID"]: row for row in rows_of(vol, "creation")}
    assert rows.keys() == {p["pid"] for p in listed_truth(TRUTH)}
    for process in listed_truth(TRUTH):
        assert rows[process["pid"]]["CreatorPID"] == (process["creator"] or None)
    assert len({row["Method"] for row in rows.values()}) == 10


def test_every_row_of_the_security_plugins_explains_itself(vol: Vol) -> None:
    for plugin in ("tokens", "groups", "privileges", "claims", "dacls", "creation"):
        rows = rows_of(vol, plugin)
        assert all(row["Explanation"] for row in rows), plugin
        assert all(str(row["PID"]) in row["Explanation"] for row in rows), plugin
