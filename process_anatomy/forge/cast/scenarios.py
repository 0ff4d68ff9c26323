"""Every scenario, by its name on the command line."""

from __future__ import annotations

from process_anatomy.forge.cast.crowd import crowd
from process_anatomy.forge.cast.hiding import HIDING
from process_anatomy.forge.cast.intrusion import INTRUSION
from process_anatomy.forge.cast.lab import LAB

SCENARIOS = {"lab": LAB, "crowd": crowd(200), "hiding": HIDING, INTRUSION.name: INTRUSION}
