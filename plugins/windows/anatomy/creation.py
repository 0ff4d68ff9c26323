"""The plugin windows.anatomy.creation."""

from volatility3.framework import interfaces

from process_anatomy.views.creation import VIEW
from process_anatomy.volatility import Anatomy


class Creation(Anatomy, interfaces.plugins.PluginInterface):
    """Judges how each process was made, explained: by whom, with whose token, on what evidence."""

    view = VIEW
