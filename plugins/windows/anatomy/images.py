"""The plugin windows.anatomy.images."""

from volatility3.framework import interfaces

from process_anatomy.views.images import VIEW
from process_anatomy.volatility import Anatomy


class Images(Anatomy, interfaces.plugins.PluginInterface):
    """Takes the executable program of each process, or its modules, apart as it lies in memory, explained."""

    view = VIEW
