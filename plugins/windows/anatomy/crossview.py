"""The plugin windows.anatomy.crossview."""

from volatility3.framework import interfaces

from process_anatomy.views.crossview import VIEW
from process_anatomy.volatility import Anatomy


class CrossView(Anatomy, interfaces.plugins.PluginInterface):
    """Compares all ways to find processes, and judges every absence.

    The columns up to Exit Time are those of windows.psxview; no process is left out for its name.
    """

    view = VIEW
