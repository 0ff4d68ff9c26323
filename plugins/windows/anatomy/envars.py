"""The plugin windows.anatomy.envars."""

from volatility3.framework import interfaces

from process_anatomy.views.envars import VIEW
from process_anatomy.volatility import Anatomy


class Environments(Anatomy, interfaces.plugins.PluginInterface):
    """Lists each process's environment variables, explained; also of the 32-bit half of 32-bit processes."""

    view = VIEW
