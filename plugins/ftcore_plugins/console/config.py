"""The settings of the console reporter."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ftcore.settings import Settings


class ConsoleConfig(Settings):
    """How much is shown, and in what form."""

    plain: bool | None = None
    """Plain lines without bars, colours or control codes. Left out: plain unless stderr is a terminal."""

    every: Annotated[int | None, Field(gt=0)] = None
    """Write a line after every so many steps. Left out: a terminal shows the bar alone, and a log gets the first step,
    the last, and at most one every five seconds."""
