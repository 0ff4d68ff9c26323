"""Every scenario, by its name on the command line."""

from __future__ import annotations

from process_anatomy.forge.cast.clean import CLEAN
from process_anatomy.forge.cast.crowd import crowd
from process_anatomy.forge.cast.hiding import HIDING
from process_anatomy.forge.cast.intrusion import INTRUSION
from process_anatomy.forge.cast.lab import LAB

SCENARIOS = {"lab": LAB, "crowd": crowd(200), "hiding": HIDING, INTRUSION.name: INTRUSION}
"""Those with intruders, and machines of any size."""
EVERY = SCENARIOS | CLEAN
"""The same with those that nothing is wrong with."""
