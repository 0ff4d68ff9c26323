"""The plugin windows.anatomy.handles."""

from volatility3.framework import interfaces

from process_anatomy.views.handles import VIEW
from process_anatomy.volatility import Anatomy


class Handles(Anatomy, interfaces.plugins.PluginInterface):
    """Lists each process's open handles, explained: what they lead to and what they allow."""

    view = VIEW
