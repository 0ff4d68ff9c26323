"""The plugin windows.anatomy.all."""

from volatility3.framework import interfaces

from process_anatomy.views.all import VIEW
from process_anatomy.volatility import Anatomy


class All(Anatomy, interfaces.plugins.PluginInterface):
    """Writes every view of the image to a file of its own, for programs, from tables that are walked once.

    The folder is the one that -o names; --format chooses jsonl, csv or parquet.
    """

    view = VIEW
