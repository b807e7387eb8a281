"""Settings of the loaders for models on this machine."""

from __future__ import annotations

from ftcore.settings import Settings


class FolderConfig(Settings):
    """Which folder."""

    path: str
    """The folder that holds config.json. Relative to where ftcore is started; `~` is your home."""


class GgufConfig(Settings):
    """Which file."""

    path: str
    """The GGUF file. Relative to where ftcore is started; `~` is your home."""


class RunConfig(Settings):
    """Which run."""

    path: str
    """The folder of a finished run. Relative to where ftcore is started; `~` is your home."""
