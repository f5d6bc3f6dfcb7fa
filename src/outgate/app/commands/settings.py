"""The settings that a command works with, read once from the file that `--config` or OUTGATE_CONFIG names."""

import sys

import typer

from outgate.app.configuration import Configuration, ConfigurationError, load


def settings_of(context: typer.Context) -> Configuration:
    """The operator's settings; a mistake in them ends the command with its text."""
    root = context.find_root()
    if isinstance(root.obj, Configuration):
        return root.obj
    try:
        configuration = load(root.params.get("config"))
    except ConfigurationError as error:
        print(f"outgate: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    root.obj = configuration
    return configuration
