"""The plugin windows.anatomy.claims."""

from volatility3.framework import interfaces

from process_anatomy.views.claims import VIEW
from process_anatomy.volatility import Anatomy


class Claims(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the security attributes and claims of each token, explained, one row for each value."""

    view = VIEW
