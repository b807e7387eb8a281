"""What can be set about a data set on the hub."""

from __future__ import annotations

from ftcore.settings import Settings


class HubDataConfig(Settings):
    """Rows of a data set on the Hugging Face hub, streamed."""

    id: str
    """The data set, as in its address: `owner/name`."""

    config_name: str | None = None
    """Which of its configurations, where it has several, such as `main`."""

    split: str = "train"
    """Which part of it."""

    revision: str | None = None
    """A commit, tag or branch. Left out: the newest; the commit that was read is kept in lock.json."""
