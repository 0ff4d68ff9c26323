"""The plugin windows.anatomy.groups."""

from volatility3.framework import interfaces

from process_anatomy.views.groups import VIEW
from process_anatomy.volatility import Anatomy


class Groups(Anatomy, interfaces.plugins.PluginInterface):
    """Lists every SID of each token, explained: user, groups, restricting SIDs, capabilities, how each counts.

    The columns up to Name are those of windows.getsids; its rows are ours of the kinds user and group.
    """

    view = VIEW
