"""The ``vmcore`` command: one file a command, composed in :mod:`vmcore.cli.main`."""
