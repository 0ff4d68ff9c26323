"""The plugin windows.anatomy.selfcheck."""

from volatility3.framework import interfaces

from process_anatomy.views.selfcheck import VIEW
from process_anatomy.volatility import Anatomy


class SelfCheck(Anatomy, interfaces.plugins.PluginInterface):
    """Shows how far the structure layout fits this image: what must be true of it, and at how many objects it is.

    The first row is the verdict.
    """

    view = VIEW
