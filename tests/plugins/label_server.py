"""`ftcore label` as people start it, in a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def labelling(folder: Path, *words: object, command: str = "label") -> Iterator[str]:
    """The address that it prints, while it serves. Afterwards it has ended by Ctrl-C, and well."""
    line = [sys.executable, "-u", "-m", "ftcore", command, *map(str, words), "--no-open"]
    server = subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert server.stdout
    try:
        said = ""
        while not (found := re.search(r"(http://127\.0\.0\.1:\d+/\?token=[\w-]{32})\n", said)):
            more = server.stdout.readline()
            assert more, f"the server ended: {said}"
            said += more
        yield found[1]
        server.send_signal(signal.SIGINT)
        rest, _ = server.communicate(timeout=60)
    finally:
        server.kill()
    assert server.returncode == 0, rest
    assert "Traceback" not in rest
