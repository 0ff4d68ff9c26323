"""The plugin windows.anatomy.tokens."""

from volatility3.framework import interfaces

from process_anatomy.views.tokens import VIEW
from process_anatomy.volatility import Anatomy


class Tokens(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the token of each process and impersonating thread, explained: user, integrity, elevation, logon."""

    view = VIEW
