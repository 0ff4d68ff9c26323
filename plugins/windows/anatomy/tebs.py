"""The plugin windows.anatomy.tebs."""

from volatility3.framework import interfaces

from process_anatomy.views.tebs import VIEW
from process_anatomy.volatility import Anatomy


class Tebs(Anatomy, interfaces.plugins.PluginInterface):
    """Shows each thread's TEB, explained: its stack, and what it repeats of the kernel's record."""

    view = VIEW
