"""The plugin windows.anatomy.vads."""

from volatility3.framework import interfaces

from process_anatomy.views.vads import VIEW
from process_anatomy.volatility import Anatomy


class Vads(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the memory ranges of each process as a tree of VADs, explained, without symbols.

    Rows come in tree order, children under their parent. The columns up to File are those of windows.vadinfo.
    """

    view = VIEW
