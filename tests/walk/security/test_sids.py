"""Names of SIDs: against stock Volatility's own table, against published pairs, and for any text at all."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.walk.security import sid_names
from process_anatomy.walk.security.sid_formulas import (
    app_pool_sid,
    capability_group_sid,
    capability_sid,
    device_capability_sid,
    package_family,
    package_sid,
    service_sid,
    task_sid,
)
from process_anatomy.walk.security.sid_names import SidNames, shipped_capabilities, shipped_packages, shipped_services
from process_anatomy.walk.security.sids import (
    DOMAIN_RIDS,
    INTEGRITY_LEVELS,
    WELL_KNOWN,
    integrity_name,
    sid_family,
    sid_name,
    sid_numbers,
    sid_text,
)

DOMAIN = "S-1-5-21-3537846094-3055369412-2967912182"
CALCULATOR = "S-1-15-2-466767348-3739614953-2700836392-1801644223-4227750657-1087833535-2488631167"
CALCULATOR_FAMILY = "Microsoft.WindowsCalculator_8wekyb3d8bbwe"
REGISTRY_READ = (
    "1065365936-1281604716-3511738428-1654721687-432734479-3232135806-4053264122-3456934681"  # of Windows' own ACLs
)

STOCK_IS_WRONG = {
    "S-1-5-17": "IUSR",  # stock: "This Organization (Used by the default IIS user)"; This Organization is S-1-5-15
    "S-1-5-19": "Local Service",  # stock: "NT Authority", the domain that 18 to 20 have in common
    "S-1-5-20": "Network Service",  # stock: "NT Authority"
    "S-1-5-32-568": "BUILTIN\\IIS_IUSRS",  # stock: "BUILTIN\\IIS IUSRS"
    "S-1-5-32-575": "RDS Remote Access Servers",  # stock: "RDS Remote Application Services"
    "S-1-15-2-1": "All App Packages",  # stock: "Application Package Context"
}
"""SIDs to whom stock gives the name of something else, with the right name."""

ONLY_STOCK = {533}
"""Numbers of groups that stock knows and Windows does not: 533 ("RAS and IAS Servers") is a slip for 553."""


@pytest.fixture(scope="module")
def stock() -> dict[str, Any]:
    """The table that stock ``windows.getsids`` reads."""
    found = importlib.util.find_spec("volatility3")
    assert found
    for place in found.submodule_search_locations or []:
        path = Path(place, "framework/plugins/windows/sids_and_privileges.json")
        if path.is_file():
            return json.loads(path.read_text("utf-8"))
    pytest.skip("this Volatility ships no sids_and_privileges.json")


class TestStock:
    def test_well_known_names_are_spelled_as_stock_spells_them(self, stock):
        ours = {sid: sid_name(sid) for sid in stock["well known"]}
        assert ours == stock["well known"] | STOCK_IS_WRONG

    def test_each_exception_is_still_one(self, stock):
        assert all(stock["well known"][sid] != name for sid, name in STOCK_IS_WRONG.items())

    def test_every_service_sid_of_stock_is_its_name_hashed(self, stock):
        assert {service_sid(name): name for name in stock["service sids"].values()} == stock["service sids"]

    def test_every_service_of_stock_is_named_as_there(self, stock):
        names = SidNames()
        assert {sid: names.name(sid) for sid in stock["service sids"]} == stock["service sids"]

    def test_domain_groups_are_spelled_as_stock_spells_them(self, stock):
        rules = [(re.compile(pattern), name) for pattern, name in stock["sids re"]]
        for rid in range(1000):
            expected = next((name for rule, name in rules if rule.search(f"{DOMAIN}-{rid}")), None)
            if expected and rid not in ONLY_STOCK:
                assert sid_name(f"{DOMAIN}-{rid}") == expected

    def test_a_service_is_not_taken_for_an_account_by_its_last_number(self, stock):
        sid = "S-1-5-80-1-2-3-4-500"
        assert any(re.search(pattern, sid) for pattern, _ in stock["sids re"])  # stock would say Administrator
        assert SidNames().name(sid) == ""


class TestWellKnown:
    @pytest.mark.parametrize(
        ("sid", "name"),
        [
            ("S-1-5-5-0-123456", "Logon Session"),
            (f"{DOMAIN}-500", "Administrator"),
            (f"{DOMAIN}-527", "Enterprise Key Admins"),
            (f"{DOMAIN}-1001", ""),
            ("S-1-5-21-500", ""),
            ("S-1-5-90-0-1", "Window Manager\\DWM-1"),
            ("S-1-5-96-0-0", "Font Driver Host\\UMFD-0"),
            ("S-1-5-83-1-1-2-3-4", "NT VIRTUAL MACHINE\\00000001-0002-0000-0300-000004000000"),
            ("S-1-16-8192", "Medium Mandatory Level"),
            ("S-1-16-8193", ""),
            ("S-1-19-0-0", "None"),
            ("S-1-19-512-1536", "ProtectedLight-Antimalware"),
            ("S-1-19-512-4096", "ProtectedLight-Windows"),
            ("S-1-19-1024-8192", "Protected-WinTcb"),
            ("S-1-19-512-5", ""),
            ("S-1-15-3-1", "internetClient"),
            ("S-1-18-4", "Key Trust Identity"),
            ("S-1-5-93-2-2", "ContainerUser"),
            ("S-1-5-32-585", "OpenSSH Users"),
            ("S-1-5-18-1", ""),
            ("S-1-5-018", ""),
            ("", ""),
        ],
    )
    def test_names(self, sid, name):
        assert sid_name(sid) == name

    @pytest.mark.parametrize(
        ("sid", "kind"),
        [
            ("S-1-5-94-2", "WinRM Virtual User"),
            ("S-1-5-92-3339056971-1291069075-3798698925-2882100687-0", "Device Association Host"),
            ("S-1-5-110-1-2-3-4-5", "Virtual Account"),
            ("S-1-5-94", ""),
            ("S-1-5-113", ""),
        ],
    )
    def test_a_sid_whose_own_name_is_not_known_has_a_kind(self, sid, kind):
        assert sid_family(sid) == kind

    def test_every_key_is_a_sid(self):
        assert [sid for sid in WELL_KNOWN if not sid_numbers(sid) and sid.count("-") > 2] == []

    def test_integrity_levels(self):
        assert {level: integrity_name(f"S-1-16-{level}") for level in INTEGRITY_LEVELS} == INTEGRITY_LEVELS
        assert integrity_name("S-1-16-12345") == "0x3039"
        assert integrity_name("S-1-16-\N{SUPERSCRIPT TWO}") == ""
        assert integrity_name("S-1-5-18") == ""


class TestFormulas:
    @pytest.mark.parametrize(
        ("computed", "published"),
        [
            (package_sid("microsoft.windowscalculator_8wekyb3d8bbwe"), CALCULATOR),
            (
                package_sid("Microsoft.WindowsStore_8wekyb3d8bbwe"),
                "S-1-15-2-1609473798-1231923017-684268153-4268514328-882773646-2760585773-1760938157",
            ),
            (
                package_sid("windows_ie_ac_001"),
                "S-1-15-2-1430448594-2639229838-973813799-439329657-1197984847-4069167804-1277922394",
            ),
            (capability_sid("registryRead"), f"S-1-15-3-1024-{REGISTRY_READ}"),
            (capability_group_sid("registryRead"), f"S-1-5-32-{REGISTRY_READ}"),
            (
                capability_sid("lpacCom"),
                "S-1-15-3-1024-2405443489-874036122-4286035555-1823921565-1746547431-2453885448-3625952902-991631256",
            ),
            (
                capability_sid("lpacIdentityServices"),
                "S-1-15-3-1024-1788129303-2183208577-3999474272-3147359985-1757322193-3815756386-151582180-1888101193",
            ),
            (
                capability_sid("inputInjection"),
                "S-1-15-3-1024-918685303-2392273179-1242551144-2277013827-3453391213-358261840-2217007564-611397587",
            ),
            (
                capability_sid("deviceUnlock"),
                "S-1-15-3-1024-3090417596-1177152433-709977159-3759866339-3648116925-1194977332-3459169701-1652573254",
            ),
            (
                device_capability_sid("2EEF81BE-33FA-4800-9670-1CD474972C3F"),
                "S-1-15-3-787448254-1207972858-3558633622-1059886964",
            ),
            (
                device_capability_sid("{e5323777-f976-4f5b-9b55-b94699c46e44}"),
                "S-1-15-3-3845273463-1331427702-1186551195-1148109977",
            ),
            (service_sid("TrustedInstaller"), "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"),
            (service_sid("wdiservicehost"), "S-1-5-80-3139157870-2983391045-3678747466-658725712-1809340420"),
            (app_pool_sid("DefaultAppPool"), "S-1-5-82-3006700770-424185619-1745488364-794895919-4004696415"),
            (app_pool_sid(".NET v4.5"), "S-1-5-82-271721585-897601226-2024613209-625570482-296978595"),
            (
                task_sid("\\Microsoft\\Windows\\SoftwareProtectionPlatform\\SvcRestartTask"),
                "S-1-5-87-2912274048-3994893941-1669128114-1310430903-1263774323",
            ),
        ],
    )
    def test_published_pairs(self, computed, published):
        assert computed == published

    @pytest.mark.parametrize(
        ("full_name", "family"),
        [
            ("Microsoft.WindowsCalculator_10.1906.55.0_x64__8wekyb3d8bbwe", CALCULATOR_FAMILY),
            ("A.B_1.0.0.0_neutral_split.scale-100_8wekyb3d8bbwe", "A.B_8wekyb3d8bbwe"),
            (CALCULATOR_FAMILY, CALCULATOR_FAMILY),
            ("windows_ie_ac_001", "windows_ie_ac_001"),
        ],
    )
    def test_package_families(self, full_name, family):
        assert package_family(full_name) == family

    @given(st.text(st.characters()))
    def test_any_name_gives_a_sid_of_the_right_shape(self, name):
        for sid, numbers in [
            (service_sid(name), 7),
            (app_pool_sid(name), 7),
            (task_sid(name), 7),
            (package_sid(name), 9),
            (capability_sid(name), 11),
            (capability_group_sid(name), 10),
        ]:
            assert len(sid_numbers(sid)) == numbers

    @given(st.text(st.characters()))
    def test_any_name_that_the_image_gives_is_found_again(self, name):
        names = SidNames(services=[name], packages=[name])
        assert names.name(service_sid(name)) == name
        family = package_family(name)
        assert names.name(package_sid(family)) in {family, *shipped_packages()}

    @given(st.integers(0, 2**48 - 1), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=15))
    def test_numbers_read_what_text_writes(self, authority, numbers):
        assert sid_numbers(sid_text(1, authority.to_bytes(6, "big"), numbers)) == (authority, *numbers)


class TestSidNames:
    def test_each_source(self):
        user, other = f"{DOMAIN}-1001", f"{DOMAIN}-1002"
        names = SidNames(
            accounts={user: "PC\\jane", "S-1-5-18": "WORKGROUP\\PC$"},
            profiles={user: "C:\\Users\\J", other: "C:\\Users\\joe\\", "S-1-5-94-2": ""},
            services=["CDPUserSvc_3a1f2", "dhcp"],
            packages=["Contoso.App_1.2.0.0_x64__abcdefghjkmnp"],
        )
        asked = {
            "S-1-5-18": ("Local System", sid_names.WELL_KNOWN),
            service_sid("Dhcp"): ("dhcp", sid_names.IMAGE_SERVICES),
            service_sid("CDPUserSvc_3a1f2"): ("CDPUserSvc_3a1f2", sid_names.IMAGE_SERVICES),
            service_sid("CDPUserSvc"): ("CDPUserSvc", sid_names.SERVICE_LIST),
            app_pool_sid("DefaultAppPool"): ("IIS APPPOOL\\DefaultAppPool", sid_names.SERVICE_LIST),
            capability_sid("REGISTRYREAD"): ("registryRead", sid_names.CAPABILITY_LIST),
            capability_group_sid("lpacCom"): ("lpacCom", sid_names.CAPABILITY_LIST),
            "S-1-15-3-787448254-1207972858-3558633622-1059886964": ("microphone", sid_names.CAPABILITY_LIST),
            CALCULATOR: (CALCULATOR_FAMILY, sid_names.PACKAGE),
            CALCULATOR.replace("S-1-15-2", "S-1-15-3"): (CALCULATOR_FAMILY, sid_names.PACKAGE),
            f"{CALCULATOR}-1-2-3-4": (f"child of {CALCULATOR_FAMILY}", sid_names.PACKAGE),
            package_sid("contoso.app_abcdefghjkmnp"): ("Contoso.App_abcdefghjkmnp", sid_names.PACKAGE),
            user: ("PC\\jane", sid_names.LOGON_SESSION),
            other: ("joe", sid_names.PROFILE_LIST),
            "S-1-5-94-2": ("WinRM Virtual User", sid_names.WELL_KNOWN),
            f"{DOMAIN}-1003": ("", sid_names.UNKNOWN),
            "S-1-15-2-1-2-3-4-5-6-7-8-9-10-11": ("", sid_names.UNKNOWN),
        }
        assert {sid: (names.name(sid), names.source(sid)) for sid in asked} == asked
        assert {source for _, source in asked.values()} == set(sid_names.SOURCES)

    def test_an_account_comes_before_the_kind_of_its_sid(self):
        sid = "S-1-5-94-2"
        assert SidNames(accounts={sid: "WinRM Virtual Users\\x"}).name(sid) == "WinRM Virtual Users\\x"

    @given(
        st.one_of(
            st.text(),
            st.from_regex(r"S-1-[0-9]{1,3}(-[0-9]{1,11}){0,17}", fullmatch=True),
            st.builds(
                lambda start, rest: "-".join([start, *map(str, rest)]),
                st.sampled_from(["S-1-5-5", "S-1-5-21", "S-1-5-32", "S-1-5-80", "S-1-5-83-1", "S-1-15-2", "S-1-19"]),
                st.lists(st.integers(0, 2**32), max_size=14),
            ),
        )
    )
    def test_any_text_has_a_name_exactly_where_it_has_a_source(self, text):
        names = SidNames()
        assert bool(names.name(text)) == bool(names.source(text))
        assert names.source(text) in sid_names.SOURCES
        integrity_name(text)


class TestShippedNames:
    @pytest.mark.parametrize(
        ("names", "at_least"), [(shipped_services, 1000), (shipped_capabilities, 350), (shipped_packages, 150)]
    )
    def test_lists_hold_each_name_once_and_clean(self, names, at_least):
        found = names()
        assert len({name.upper() for name in found}) == len(found) >= at_least
        assert [name for name in found if name != name.strip() or not name.isprintable()] == []

    def test_every_shipped_name_is_found_by_its_sid(self):
        names = SidNames()
        assert [n for n in shipped_services() if names.name(service_sid(n)) != n] == []
        assert [n for n in shipped_capabilities() if names.name(capability_sid(n)) != n] == []
        assert [n for n in shipped_packages() if names.name(package_sid(n)) != n] == []

    def test_a_group_number_of_a_domain_stays_below_the_first_account(self):
        assert max(DOMAIN_RIDS) < 1000
