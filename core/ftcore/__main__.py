"""`python -m ftcore`, for environments whose scripts are not on the path."""

from ftcore.cli.main import entry

entry()
