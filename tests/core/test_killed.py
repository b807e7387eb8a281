"""Wherever a run is killed, `ftcore resume` or the same line goes on, with nothing taken away by hand."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Terminal

KILLED = """
import os, signal, sys
from ftcore.cli.main import main
point, *line = sys.argv[1:]
def look(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(point):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(look)
sys.exit(main(line))
"""
"""Ends the process before the first file or folder of that name gets it."""


def line(tiny: Path, rows: Path, out: str) -> list[str]:
    return [
        "run", "--model", str(tiny), "--data", str(rows), "--train.steps", "2", "--train.batch_size", "4",
        "--checkpoints.every", "1", "--evaluators", "loss", "--out", out,
    ]  # fmt: skip


def killed(folder: Path, point: str, words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, point, *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "adapter_model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("point", "goes_on"),
    [("/run.yaml", "run"), ("/lock.json", "resume"), ("/model", "resume"), ("/report.json", "resume"),
     ("/report.html", "resume")],
)  # fmt: skip
def test_a_killed_run_goes_on(ftcore: Terminal, tiny: Path, rows: Path, point: str, goes_on: str):
    folder = rows.parent
    assert ftcore(*line(tiny, rows, "quiet")).code == 0
    words = line(tiny, rows, "out")
    killed(folder, point, words)
    done = ftcore("resume", "out") if goes_on == "resume" else ftcore(*words)
    assert done.code == 0, done.err
    assert weights(folder / "out") == weights(folder / "quiet")
    assert {path.name for path in (folder / "out").iterdir()} == {path.name for path in (folder / "quiet").iterdir()}


def test_killed_before_its_first_file_it_says_which_line_to_type(ftcore: Terminal, tiny: Path, rows: Path):
    killed(rows.parent, "/run.yaml", line(tiny, rows, "out"))
    refused = ftcore("resume", "out")
    assert refused.code == 2
    assert "the run here was killed before it had begun" in refused.err
    assert refused.err.endswith("  try: the line that began it, with --out out\n")


@pytest.mark.parametrize(
    "name", ["step-000002.bak", "step-old", "step-1.tar.gz", "step-000009", ".tmp-step-000002", "damaged-step-000001"]
)
@pytest.mark.parametrize("as_folder", [True, False], ids=["folder", "file"])
def test_strange_names_among_the_checkpoints(ftcore: Terminal, tiny: Path, rows: Path, name: str, as_folder: bool):
    """Both a run that resumes with them there, and one under way that meets them at its next save."""
    assert ftcore(*line(tiny, rows, "quiet")).code == 0
    out, strange = rows.with_name("out"), rows.with_name("out") / "checkpoints" / name
    plant = f"shutil.copytree(new, {str(strange)!r})" if as_folder else f"Path({str(strange)!r}).touch()"
    rows.with_name("plants.py").write_text(
        "import shutil\nfrom pathlib import Path\nfrom ftcore import hookimpl\n"
        "@hookimpl\ndef ftcore_after_checkpoint(event):\n    new = event.folder\n"
        f"    if not Path({str(strange)!r}).exists(): {plant}\n"
    )
    done = ftcore(*line(tiny, rows, "out"), "--plugin", "plants.py")
    assert done.code == 0, done.err
    assert "left out" not in done.err
    assert weights(out) == weights(rows.with_name("quiet"))
    (out / "report.json").unlink()
    shutil.rmtree(out / "model")
    resumed = ftcore("resume", "out")
    assert resumed.code == 0, resumed.err
    assert weights(out) == weights(rows.with_name("quiet"))


def test_a_manifest_that_cannot_be_read_is_a_damaged_checkpoint(ftcore: Terminal, tiny: Path, rows: Path):
    assert ftcore(*line(tiny, rows, "out")).code == 0
    out = rows.with_name("out")
    (out / "report.json").unlink()
    (out / "checkpoints/step-000002/MANIFEST.json").unlink()
    (out / "checkpoints/step-000002/MANIFEST.json").mkdir()
    resumed = ftcore("resume", "out")
    assert resumed.code == 0, resumed.err
    assert "the checkpoint step-000002 is damaged" in resumed.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_component_is_imported_is_no_fault_of_its_plugin(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from ftcore.errors import Interrupted
    from ftcore.run.signals import at_once
    from ftcore.specs import Ref

    (tmp_path / f"slow{number}.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\nclass Slow: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Interrupted) as stopped, at_once(tmp_path):
        Ref(f"slow{number}:Slow").load()
    assert stopped.value.exit_code == 128 + number
