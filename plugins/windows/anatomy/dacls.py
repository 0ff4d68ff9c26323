"""The plugin windows.anatomy.dacls."""

from volatility3.framework import interfaces

from process_anatomy.views.dacls import VIEW
from process_anatomy.volatility import Anatomy


class Dacls(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the default access list of each token, explained: who may do what with the objects it makes."""

    view = VIEW
