"""Distributions as pip would leave them: a module, its metadata, an entry point, and a RECORD with hashes."""

from __future__ import annotations

import base64
import hashlib
import textwrap
import zipfile
from pathlib import Path

METHOD = """
from ftcore import hookimpl, MethodSpec, Ref

@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(name={name!r}, summary="a test", factory=Ref("x:Y"), defaults=dict(learning_rate=1e-3))
"""


def install(folder: Path, name: str, code: str, version: str = "1.2", needs: str = "ftcore>=0.1") -> Path:
    """Put a distribution into a folder on the path; its only module is called like it. Returns the metadata folder."""
    for path, content in _files(name, code, version, needs).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    return folder / _info(name, version)


def wheel(folder: Path, name: str, code: str, version: str = "1.2", needs: str = "ftcore>=0.1") -> Path:
    """The same as a wheel that pip can install."""
    path = folder / f"{_module(name)}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in _files(name, code, version, needs).items():
            archive.writestr(file, content)
    return path


def _files(name: str, code: str, version: str, needs: str) -> dict[str, str]:
    module, info = _module(name), _info(name, version)
    files = {
        f"{module}.py": textwrap.dedent(code),
        f"{info}/METADATA": "Metadata-Version: 2.1\n"
        f"Name: {name}\nVersion: {version}\nRequires-Dist: {needs}\n\nWords.\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\nacme = x:y\n\n[ftcore]\nmain = {module}\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in files.items())
    return {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}


def _module(name: str) -> str:
    return name.replace("-", "_")


def _info(name: str, version: str) -> str:
    return f"{_module(name)}-{version}.dist-info"


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
