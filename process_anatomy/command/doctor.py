"""``anatomy doctor``: what is installed, whether vol finds the plugins, and what would bring what is missing."""

from __future__ import annotations

import click

from process_anatomy.command.plugins import folder
from process_anatomy.command.statuses import DONE, FAILED


@click.command()
def doctor() -> int:
    """Tell what is installed, whether vol finds the plugins, and what brings what is missing.

    Ends with status 1 where plain vol does not find the plugins.
    """
    from process_anatomy.fleet.versions import missing, versions
    from process_anatomy.views import NAMES
    from process_anatomy.volatility.discovery import plugins_seen
    from structs import builds

    for name, version in versions().items():
        click.echo(f"{name:<16}{version or 'not installed'}")
    click.echo(f"{'layouts':<16}{len(builds.names())} of Windows kernels")
    seen = plugins_seen()
    click.echo(f"{'plugins':<16}{len(seen)} of {len(NAMES)} seen by vol, in {folder()}")
    for extra, names in missing().items():
        click.echo(f"{'missing':<16}{', '.join(names)}: pip install 'process-anatomy[{extra}]'")
    if len(seen) == len(NAMES):
        return DONE
    click.echo('vol finds them with: vol -p "$(anatomy plugins)"')
    return FAILED
