"""The plugin windows.anatomy.peb."""

from volatility3.framework import interfaces

from process_anatomy.views.peb import VIEW
from process_anatomy.volatility import Anatomy


class Peb(Anatomy, interfaces.plugins.PluginInterface):
    """Shows each process's PEB, explained: user memory, read through the process's own page tables."""

    view = VIEW
