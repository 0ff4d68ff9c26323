"""Folders and programs that several scenarios name."""

from __future__ import annotations

from process_anatomy.forge.ground.paths import SYSTEM32

SERVICE_HOST = SYSTEM32 + "svchost.exe"
CALCULATOR = (
    "C:\\Program Files\\WindowsApps\\Microsoft.WindowsCalculator_11.2210.0.0_x64__8wekyb3d8bbwe\\CalculatorApp.exe"
)
TEMP = "C:\\Users\\student\\AppData\\Local\\Temp\\"
