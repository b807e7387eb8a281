"""A real browser for tests: Debian's chromium, driven by playwright. Where one is missing they are left out."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REQUIRED = "FTCORE_TESTS_NEED_BROWSER"
"""Set in continuous integration: a missing browser is then a failure."""


def chromium() -> str | None:
    return next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)


def missing() -> str | None:
    """What is to be installed before a browser can be tested, or None."""
    lacking = [] if chromium() else ["apt-get install chromium"]
    lacking += [] if importlib.util.find_spec("playwright") else ["pip install playwright"]
    return " and ".join(lacking) or None


def is_left_out() -> bool:
    return missing() is not None and not os.environ.get(REQUIRED)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without a window. As root Chromium runs only without its sandbox."""
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=options)
        yield opened
        opened.close()
