"""Tells from the text alone, or from a look at the disk, whether `--model TEXT` is a run, a folder or a GGUF file."""

from __future__ import annotations

import os
import re
from pathlib import Path

# ./x ../x /x ~/x and . .. ~ themselves; on Windows also .\x, \x and C:\x.
_PATH = re.compile(r"(\.{1,2}|~[\w.-]*)?[/\\]|\.{1,2}$|~$|[A-Za-z]:[/\\]")


def is_gguf_file(text: str) -> bool:
    """Whether the text names a GGUF file, there or not."""
    return text.lower().endswith(".gguf") and not Path(text).expanduser().is_dir()


def is_run(text: str) -> bool:
    """Whether the text is the folder of a run, finished or not."""
    folder = Path(text).expanduser()
    return (folder / "run.yaml").is_file() and not (folder / "config.json").is_file()


def is_folder(text: str) -> bool:
    """Whether the text is the path of a folder, or can be nothing but a path."""
    if is_gguf_file(text):
        return False
    is_no_id = text.count("/") > 1 and Path(text).parent.is_dir()  # an id on the hub has one slash
    return bool(_PATH.match(text)) or os.path.isdir(text) or is_no_id
