"""The variables of a program's environment."""

from __future__ import annotations

from process_anatomy.forge.ground.generations import processors
from process_anatomy.forge.ground.paths import then_path
from process_anatomy.forge.security.contexts import Context
from structs.layout import Build


def environment(build: Build, context: Context, computer: str) -> dict[str, str]:
    """The variables, by name.

    Args:
        build: which Windows runs.
        context: the security context of the program.
        computer: name of the machine.
    """
    logon, person = context.logon, context.person
    profile = (
        then_path(build, f"C:\\Users\\{logon.account}") if person else "C:\\Windows\\system32\\config\\systemprofile"
    )
    temporary = profile + then_path(build, "\\AppData\\Local\\Temp") if person else "C:\\Windows\\TEMP"
    return {
        "ALLUSERSPROFILE": "C:\\ProgramData",
        "COMPUTERNAME": computer,
        "ComSpec": "C:\\Windows\\system32\\cmd.exe",
        "NUMBER_OF_PROCESSORS": str(processors(build)),
        "OS": "Windows_NT",
        "Path": "C:\\Windows\\system32;C:\\Windows;C:\\Windows\\System32\\Wbem",
        "PATHEXT": ".COM;.EXE;.BAT;.CMD;.VBS;.JS",
        "PROCESSOR_ARCHITECTURE": "x86" if build.pointer_size == 4 else "AMD64",
        "SystemDrive": "C:",
        "SystemRoot": "C:\\Windows",
        "TEMP": temporary,
        "TMP": temporary,
        "USERDOMAIN": logon.authority if person else "WORKGROUP",
        "USERNAME": logon.account if person else f"{computer}$",
        "USERPROFILE": profile,
        "windir": "C:\\Windows",
    }
