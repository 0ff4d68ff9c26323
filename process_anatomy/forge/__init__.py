"""Practice images: a scenario becomes Windows memory that other tools accept, with an answer key."""

from process_anatomy.forge.cast.intrusion import INTRUSION
from process_anatomy.forge.cast.lab import LAB, Actor, Scenario, crowd
from process_anatomy.forge.machine.containers import write_bitmap_dump, write_crash_dump, write_lime, write_raw
from process_anatomy.forge.machine.forging import DEFAULT_BUILD, DEFAULT_SEED, Image, forge

__all__ = [
    "DEFAULT_BUILD",
    "DEFAULT_SEED",
    "INTRUSION",
    "LAB",
    "Actor",
    "Image",
    "Scenario",
    "crowd",
    "forge",
    "write_bitmap_dump",
    "write_crash_dump",
    "write_lime",
    "write_raw",
]
