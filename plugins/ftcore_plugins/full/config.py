"""Settings of full fine-tuning: none, since everything trains."""

from ftcore.settings import Settings


class FullConfig(Settings):
    """Every parameter trains; there is nothing to choose."""
