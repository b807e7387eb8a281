"""The settings of the html reporter."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ftcore.settings import Settings


class HtmlConfig(Settings):
    """How much goes into the page."""

    samples: Annotated[int, Field(ge=0)] = 24
    """At most this many samples are shown; 0 keeps the data's texts out of the page."""

    characters: Annotated[int, Field(gt=0)] = 2000
    """A longer text is cut after so many characters, with a marker saying how many are missing."""
