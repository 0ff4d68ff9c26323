"""Scenarios as data: TOML files that say who runs and what is wrong; a seed decides everything that they leave open."""

from process_anatomy.forge.scenarios.casting import Cast, cast
from process_anatomy.forge.scenarios.declared import Declared
from process_anatomy.forge.scenarios.forged import forge_scenario
from process_anatomy.forge.scenarios.reading import available, scenario

__all__ = ["Cast", "Declared", "available", "cast", "forge_scenario", "scenario"]
