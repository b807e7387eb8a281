"""What can be set about a model on the hub."""

from __future__ import annotations

from ftcore.settings import Settings


class HubModelConfig(Settings):
    """A model on the Hugging Face hub."""

    id: str
    """The model, as in its address: `owner/name`."""

    revision: str | None = None
    """A commit, tag or branch. Left out: the newest; the commit that was read is kept in lock.json."""
