"""Which of our plugins Volatility finds by itself."""

from __future__ import annotations


def plugins_seen() -> list[str]:
    """The names of our plugins that Volatility lists, without an option that says where they are."""
    import volatility3.plugins
    from volatility3 import framework

    framework.import_files(volatility3.plugins, True)
    return sorted(name for name in framework.list_plugins() if name.startswith("windows.anatomy."))
