"""Machines that nothing is wrong with, each with something that looks strange to who does not know it.

No rule tells anything above information of any of them.
"""

from __future__ import annotations

from process_anatomy.forge.cast.holdings import SHELL
from process_anatomy.forge.cast.paths import CALCULATOR, SERVICE_HOST, TEMP
from process_anatomy.forge.ground.actors import (
    PAGED_OUT,
    REGISTRY,
    SESSION_MANAGER,
    SUBSYSTEM,
    SYSTEM,
    TRIMMED,
    Actor,
    Scenario,
)
from process_anatomy.forge.ground.generations import FIRST_WITH_ALL, VISTA, WINDOWS_8
from process_anatomy.forge.ground.holdings import Power
from process_anatomy.forge.ground.paths import SYSTEM32
from process_anatomy.forge.processes.csr import SERVER_LIBRARY

LSASS, EXPLORER, LAUNCHER, SCHEDULES = 728, 3920, 868, 1480
"""Process ids of the core; the services that launch for others are DcomLaunch and netsvcs (Appinfo, Schedule)."""
READS, EVERYTHING = 0x1410, 0x1FFFFF
"""PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_QUERY_INFORMATION and PROCESS_VM_READ; all rights."""
CONTAINER_DISK = "\\Device\\VhdHardDisk{6a1f0d52-4d0b-4d1e-9a8e-3f1c2b7a9d10}"
DEFENDER = "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.24090.11-0\\MsMpEng.exe"
LIGHT_ANTIMALWARE, LIGHT_CORE = 0x31, 0x61
BROWSER = "C:\\Program Files\\Lantern\\lantern.exe"


def _session(number: int, base: int, started: int) -> tuple[Actor, ...]:
    """The subsystem, the logon and the window manager of one more session; their parent has ended."""
    return (
        Actor(
            base, base - 4, SYSTEM32 + "csrss.exe", role=SUBSYSTEM, libraries=(SERVER_LIBRARY,), since=VISTA,
            started=started, session=number, protection=LIGHT_CORE, critical=True, threads=1,
        ),
        Actor(base + 40, base - 4, SYSTEM32 + "winlogon.exe", started=started, session=number, threads=1),
        Actor(
            base + 80, base + 40, SYSTEM32 + "dwm.exe", "window-manager", started + 1, number, since=WINDOWS_8,
            threads=1, memory=PAGED_OUT,
        ),
    )  # fmt: skip


def _service(pid: int, arguments: str, context: str = "system", started: int = 14) -> Actor:
    return Actor(
        pid, 716, SERVICE_HOST, context, started, 0, arguments, console=True, threads=1, memory=TRIMMED
    )  # fmt: skip


CORE: tuple[Actor, ...] = (
    Actor(4, 0, "System", role=SYSTEM, threads=3, protection=0x72, minimal=True),
    Actor(124, 4, "Registry", role=REGISTRY, since=FIRST_WITH_ALL, started=-5, protection=0x72, minimal=True),
    Actor(
        388, 4, SYSTEM32 + "smss.exe", role=SESSION_MANAGER, started=4, protection=LIGHT_CORE, critical=True, threads=1
    ),
    Actor(
        512, 504, SYSTEM32 + "csrss.exe", role=SUBSYSTEM, libraries=(SERVER_LIBRARY,), old_parent=388, started=9,
        session=0, protection=LIGHT_CORE, critical=True, threads=1,
    ),
    Actor(
        588, 504, SYSTEM32 + "wininit.exe", since=VISTA, started=10, session=0, protection=LIGHT_CORE, critical=True,
        threads=1,
    ),
    *_session(1, 596, 10),
    Actor(
        716, 588, SYSTEM32 + "services.exe", old_parent=636, started=11, session=0, protection=LIGHT_CORE,
        critical=True, threads=1,
    ),
    Actor(LSASS, 588, SYSTEM32 + "lsass.exe", old_parent=636, started=11, session=0, protection=0x41, threads=1),
    _service(LAUNCHER, "-k DcomLaunch -p", started=12),
    _service(1092, "-k LocalServiceNetworkRestricted -p -s EventLog", "local-service"),
    _service(1236, "-k NetworkService -p -s Dnscache", "network-service"),
    _service(SCHEDULES, "-k netsvcs -p -s Schedule", started=17),
    Actor(1900, 716, SYSTEM32 + "spoolsv.exe", started=19, session=0, threads=1, memory=PAGED_OUT),
    Actor(EXPLORER, 3844, "C:\\Windows\\explorer.exe", "limited", 73, 1, holds=SHELL, threads=1, handles=6),
    Actor(4400, EXPLORER, SYSTEM32 + "notepad.exe", "limited", 130, 1, threads=1),
)  # fmt: skip
"""A machine on which one person works."""


def _clean(name: str, *more: Actor, powers: tuple[Power, ...] = (), megabytes: int = 64) -> Scenario:
    held = (Power(EXPLORER, "Process", 4400, EVERYTHING), *powers)
    return Scenario(name, (*CORE, *more), memory_size=megabytes << 20, powers=held)


def _contained(pid: int, parent: int, path: str, started: int, context: str = "system", protection: int = 0) -> Actor:
    """A process of the container."""
    subsystem = path.endswith("csrss.exe")
    return Actor(
        pid, parent, path, context, started, 3, threads=1, protection=protection, silo="container",
        role=SUBSYSTEM if subsystem else "", libraries=(SERVER_LIBRARY,) if subsystem else (), volume=CONTAINER_DISK,
        memory=PAGED_OUT if not subsystem else "all",
    )  # fmt: skip


CONTAINER_HOST = _clean(
    "clean-container-host",
    _contained(5000, 388, SYSTEM32 + "smss.exe", 300, protection=LIGHT_CORE),
    _contained(5040, 5036, SYSTEM32 + "csrss.exe", 301, protection=LIGHT_CORE),
    _contained(5080, 5036, SYSTEM32 + "wininit.exe", 301, protection=LIGHT_CORE),
    _contained(5124, 5080, SYSTEM32 + "services.exe", 302, protection=LIGHT_CORE),
    _contained(5160, 5080, SYSTEM32 + "lsass.exe", 302),
    _contained(5200, 5124, SERVICE_HOST, 303),
    _contained(5240, 5124, SERVICE_HOST, 303, "network-service"),
    _contained(5280, 5124, SYSTEM32 + "CExecSvc.exe", 304),
    _contained(5320, 5280, SYSTEM32 + "cmd.exe", 310),
)
REMOTE_DESKTOP = _clean(
    "clean-remote-desktop",
    *_session(2, 5000, 400),
    Actor(5160, 5156, "C:\\Windows\\explorer.exe", "bob", 420, 2, holds=SHELL, threads=1, memory=TRIMMED),
    Actor(5200, SCHEDULES, SYSTEM32 + "rdpclip.exe", "bob", 421, 2, threads=1, memory=PAGED_OUT),
    Actor(5240, SCHEDULES, SYSTEM32 + "taskhostw.exe", "bob", 422, 2, threads=1, memory=PAGED_OUT),
    Actor(5280, 5160, SYSTEM32 + "notepad.exe", "bob", 430, 2, threads=1, memory=TRIMMED),
)
TERMINAL_SERVER = _clean(
    "clean-terminal-server",
    *(actor for number in range(2, 41) for actor in _session(number, 4604 + 200 * number, 200 * number)),
    *(
        Actor(
            4728 + 200 * number, 4724 + 200 * number, "C:\\Windows\\explorer.exe", "bob", 200 * number + 40, number,
            threads=1, memory=PAGED_OUT,
        )
        for number in range(5, 41)
    ),
    Actor(5124, 5044, SYSTEM32 + "LogonUI.exe", started=401, session=2, threads=1, memory=PAGED_OUT),
    Actor(5324, 5320, "C:\\Windows\\explorer.exe", "bob", 640, 3, threads=1, memory=TRIMMED),
    Actor(5524, 5520, "C:\\Windows\\explorer.exe", "full", 840, 4, threads=1, memory=TRIMMED),
    Actor(5564, 5524, SYSTEM32 + "mmc.exe", "full", 850, 4, threads=1, memory=PAGED_OUT),
    megabytes=128,
)  # fmt: skip
DOMAIN_CONTROLLER = _clean(
    "clean-domain-controller",
    Actor(
        5000, 716, "C:\\Windows\\ADWS\\Microsoft.ActiveDirectory.WebServices.exe", started=30, session=0, compiles=True
    ),
    Actor(5040, 716, SYSTEM32 + "dns.exe", started=31, session=0, threads=2, memory=TRIMMED),
    Actor(5080, 716, SYSTEM32 + "dfsrs.exe", started=31, session=0, threads=2, memory=TRIMMED),
    Actor(5124, 716, SYSTEM32 + "ismserv.exe", started=32, session=0, threads=1, memory=TRIMMED),
    Actor(5160, 716, SYSTEM32 + "dfssvc.exe", started=32, session=0, threads=1, memory=PAGED_OUT),
    Actor(5200, SCHEDULES, SYSTEM32 + "wbengine.exe", started=900, session=0, threads=1, memory=TRIMMED),
)
VIRTUAL_MACHINES = _clean(
    "clean-virtual-machines",
    Actor(5000, 4, "Secure System", started=-6, protection=0x72, minimal=True, since=FIRST_WITH_ALL),
    Actor(5040, 716, SYSTEM32 + "vmms.exe", started=40, session=0, threads=2, memory=TRIMMED),
    Actor(5080, 716, SYSTEM32 + "vmcompute.exe", started=41, session=0, threads=2, memory=TRIMMED),
    Actor(5124, 5040, SYSTEM32 + "vmwp.exe", started=300, session=0, threads=2, memory=TRIMMED),
    Actor(5160, 5124, "vmmem", started=301, minimal=True, threads=1),
    Actor(5200, 5080, SYSTEM32 + "vmwp.exe", started=310, session=0, threads=2, memory=PAGED_OUT),
    Actor(5240, 5200, "vmmemWSL", started=311, minimal=True, threads=1),
)
PUBLISHED_DESKTOP = _clean(
    "clean-published-desktop",
    *_session(2, 5000, 400),
    Actor(5160, 716, "C:\\Program Files\\Meridian\\Desktop\\BrokerAgent.exe", started=35, session=0, compiles=True),
    Actor(5200, 5040, SYSTEM32 + "userinit.exe", "bob", 420, 2, threads=1, ended=425),
    Actor(5240, 5200, "C:\\Program Files\\Meridian\\Desktop\\shell.exe", "bob", 421, 2, threads=1, memory=TRIMMED),
    Actor(5280, 5240, SYSTEM32 + "notepad.exe", "bob", 430, 2, threads=1, memory=TRIMMED),
    Actor(5320, 5160, "C:\\Program Files\\Meridian\\Desktop\\SessionHelper.exe", started=422, session=2, threads=1),
)
INSTALLERS = _clean(
    "clean-installers",
    Actor(
        5000, EXPLORER, "C:\\Users\\student\\Downloads\\ledger-setup.exe", "limited", 500, 1, threads=1,
        memory=TRIMMED,
    ),
    Actor(
        5040, 5000, TEMP + "is-4K2QJ.tmp\\ledger-setup.tmp", "full", 503, 1, threads=1, compiles=True,
        asked_by=SCHEDULES,
    ),
    Actor(5080, 716, SYSTEM32 + "msiexec.exe", started=510, session=0, arguments="/V", threads=2, memory=TRIMMED),
    Actor(5124, 5080, SYSTEM32 + "msiexec.exe", "limited", 511, 1, "-Embedding 4C1F", threads=1, memory=TRIMMED),
    Actor(5160, EXPLORER, TEMP + "7zS8E1B\\packed.exe", "limited", 520, 1, threads=1, compiles=True),
)  # fmt: skip
LINUX_PROGRAMS = _clean(
    "clean-linux-programs",
    Actor(5000, EXPLORER, SYSTEM32 + "wsl.exe", "limited", 500, 1, console=True, threads=1, memory=TRIMMED),
    Actor(5040, SCHEDULES, "init", "limited", 501, 1, minimal=True, threads=1),
    Actor(5080, 5040, "bash", "limited", 502, 1, minimal=True, threads=1),
)
SECURITY_PRODUCTS = _clean(
    "clean-security-products",
    Actor(5000, 716, DEFENDER, started=60, session=0, protection=LIGHT_ANTIMALWARE, threads=1, memory=TRIMMED),
    Actor(5040, 5000, SERVICE_HOST, started=90, session=0, threads=1, memory=TRIMMED),
    Actor(
        5080, 716, "C:\\Program Files\\Bastion\\bastion.exe", started=61, session=0, protection=LIGHT_ANTIMALWARE,
        threads=1, memory=TRIMMED,
    ),
    Actor(5124, 1240, SYSTEM32 + "MRT.exe", started=95, session=0, threads=1, memory=TRIMMED),
    Actor(5160, 5124, SERVICE_HOST, started=97, session=0, threads=1, memory=TRIMMED),
    powers=(Power(5000, "Process", LSASS, EVERYTHING), Power(5080, "Process", LSASS, READS)),
)  # fmt: skip
COMPILERS = _clean(
    "clean-compilers",
    Actor(5000, EXPLORER, "C:\\Program Files\\Ledger\\ledger.exe", "limited", 500, 1, threads=2, compiles=True),
    Actor(
        5040, EXPLORER, SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe", "limited", 510, 1, threads=2,
        console=True, compiles=True,
    ),
    Actor(5080, 716, "C:\\Program Files\\SQL\\sqlservr.exe", "network-service", 40, 0, threads=2, compiles=True),
)  # fmt: skip
BROWSERS = _clean(
    "clean-browsers",
    Actor(5000, EXPLORER, BROWSER, "limited", 600, 1, threads=2, job="content"),
    Actor(5040, 5000, BROWSER, "renderer", 602, 1, "--type=renderer", threads=1, job="content", compiles=True),
    Actor(5080, 5000, BROWSER, "sandboxed", 603, 1, "--type=gpu-process", threads=1, job="content", memory=TRIMMED),
    Actor(5124, LAUNCHER, CALCULATOR, "low-box", 620, 1, threads=1, since=WINDOWS_8, job="application"),
    powers=(Power(5000, "Process", 5040, EVERYTHING), Power(5000, "Process", 5080, EVERYTHING)),
)
CLOCK_SET_BACK = _clean(
    "clean-clock-set-back",
    Actor(5000, EXPLORER, SYSTEM32 + "cmd.exe", "limited", -7_000, 1, console=True, threads=1, memory=TRIMMED),
    Actor(5040, 5000, SYSTEM32 + "ping.exe", "limited", -6_990, 1, console=True, threads=1, memory=PAGED_OUT),
    Actor(5080, 716, SERVICE_HOST, "network-service", -6_980, 0, "-k NetworkService -p", threads=1, memory=TRIMMED),
    Actor(5124, LAUNCHER, SYSTEM32 + "RuntimeBroker.exe", "limited", -6_970, 1, threads=1, memory=PAGED_OUT),
)
BROKERS = _clean(
    "clean-brokers",
    Actor(5000, SCHEDULES, SYSTEM32 + "sihost.exe", "limited", 71, 1, threads=1, memory=TRIMMED),
    Actor(5040, EXPLORER, SYSTEM32 + "cmd.exe", "full", 655, 1, console=True, threads=1, asked_by=SCHEDULES),
    Actor(5080, EXPLORER, SYSTEM32 + "Taskmgr.exe", "full", 660, 1, threads=1, asked_by=SCHEDULES),
    Actor(
        5124, EXPLORER, SYSTEM32 + "osk.exe", "accessibility", 96, 1, threads=1, memory=PAGED_OUT, asked_by=SCHEDULES
    ),
    Actor(5160, EXPLORER, "C:\\Tools\\bobtool.exe", "bob", 700, 1, threads=1, memory=TRIMMED, asked_by=SCHEDULES),
    Actor(5200, LAUNCHER, SYSTEM32 + "RuntimeBroker.exe", "limited", 710, 1, threads=1, memory=TRIMMED),
    Actor(5240, EXPLORER, SYSTEM32 + "calc.exe", "limited", 720, 1, threads=1, memory=TRIMMED, asked_by=5000),
    Actor(5280, EXPLORER, SYSTEM32 + "write.exe", "limited", 730, 1, threads=1, memory=TRIMMED, asked_by=5200),
    Actor(5320, SCHEDULES, SYSTEM32 + "WerFault.exe", started=800, session=0, threads=1, memory=TRIMMED),
    powers=(Power(5080, "Process", LSASS, READS), Power(5320, "Process", LSASS, READS)),
)
SPLIT_SERVICES = _clean(
    "clean-split-services",
    *(_service(5004 + 40 * number, f"-k netsvcs -p -s Service{number:02}") for number in range(24)),
    *(_service(6004 + 40 * number, "-k UnistackSvcGroup", "limited", 80) for number in range(3)),
)
HOT_PATCHED = _clean(
    "clean-hot-patched",
    Actor(
        5000, 716, SERVICE_HOST, "system", 21, 0, "-k netsvcs -p -s Appinfo", console=True, threads=2,
        libraries=("appinfo.dll",), patches=("appinfo.dll",),
    ),
    Actor(
        5040, EXPLORER, "C:\\Program Files\\Ledger\\ledger.exe", "limited", 500, 1, threads=2, compiles=True,
        patches=("kernel32.dll",),
    ),
    Actor(5080, EXPLORER, SYSTEM32 + "cmd.exe", "limited", 510, 1, console=True, threads=1, wow64=True),
    Actor(5124, EXPLORER, SYSTEM32 + "calc.exe", "limited", 520, 1, threads=1, memory=TRIMMED),
    Actor(5160, EXPLORER, SYSTEM32 + "write.exe", "limited", 530, 1, threads=1, memory=PAGED_OUT),
)  # fmt: skip
ADMINISTRATOR_PROTECTION = _clean(
    "clean-administrator-protection",
    Actor(
        5000, EXPLORER, SYSTEM32 + "cmd.exe", "managed-administrator", 655, 1, console=True, threads=1,
        asked_by=SCHEDULES,
    ),
    Actor(5040, 5000, SYSTEM32 + "net.exe", "managed-administrator", 670, 1, console=True, threads=1, memory=TRIMMED),
    Actor(5080, EXPLORER, SYSTEM32 + "Taskmgr.exe", "managed-again", 700, 1, threads=2, asked_by=SCHEDULES),
    Actor(5124, EXPLORER, "C:\\Program Files\\Ledger\\ledger.exe", "limited", 710, 1, threads=1, memory=TRIMMED),
    powers=(Power(5080, "Process", LSASS, READS),),
)  # fmt: skip

CLEAN = {
    scenario.name: scenario
    for scenario in (
        CONTAINER_HOST, REMOTE_DESKTOP, TERMINAL_SERVER, LINUX_PROGRAMS, SECURITY_PRODUCTS, COMPILERS, BROWSERS,
        CLOCK_SET_BACK, BROKERS, SPLIT_SERVICES, DOMAIN_CONTROLLER, VIRTUAL_MACHINES, PUBLISHED_DESKTOP, INSTALLERS,
        HOT_PATCHED, ADMINISTRATOR_PROTECTION,
    )
}  # fmt: skip
"""Every clean machine by its name: a host of a container, two who work by remote desktop, a terminal server with forty
sessions, programs of Linux (pico processes), protected products of two vendors, just-in-time compilers, a browser with
its sandboxes, a clock that was set back, brokers that start programs for others, services in processes of their own, a
domain controller, a host of virtual machines, a published desktop with a shell of its own, packed installers, and two
that take build 26100 to be what they are: one whose libraries were patched while they were in use, and one on which
Administrator Protection elevates."""
