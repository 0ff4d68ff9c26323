"""The plugin windows.anatomy.explain."""

from volatility3.framework import interfaces

from process_anatomy.views.explain import VIEW
from process_anatomy.volatility import Anatomy


class Explain(Anatomy, interfaces.plugins.PluginInterface):
    """Explains the terms of the suite: purpose, analogy, and the command that shows each. Needs no image.

    --about narrows it down: a kind (component, term, privilege, protection, token-flag, group-attribute, column ...),
    a whole id (term/vad) or a word in a title; what nobody knows is answered with the list of kinds.
    """

    view = VIEW
