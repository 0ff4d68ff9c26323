"""Practice images: a scenario becomes Windows memory that other tools accept, with an answer key."""

from process_anatomy.forge.cast.crowd import crowd
from process_anatomy.forge.cast.intrusion import INTRUSION
from process_anatomy.forge.cast.lab import LAB
from process_anatomy.forge.ground.actors import Actor, Scenario
from process_anatomy.forge.machine.containers import (
    write_bitmap_dump,
    write_crash_dump,
    write_lime,
    write_page_files,
    write_raw,
)
from process_anatomy.forge.machine.forging import DEFAULT_BUILD, DEFAULT_SEED, forge
from process_anatomy.forge.parts.image import Image

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
    "write_page_files",
    "write_raw",
]
