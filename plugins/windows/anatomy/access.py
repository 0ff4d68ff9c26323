"""The plugin windows.anatomy.access."""

from volatility3.framework import interfaces

from process_anatomy.views.access import VIEW
from process_anatomy.volatility import Anatomy


class Access(Anatomy, interfaces.plugins.PluginInterface):
    """Shows handles that give power over other processes, explained, and the shortest ways to higher integrity."""

    view = VIEW
