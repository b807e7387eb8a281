"""Every built-in reporter keeps the contract of reporters."""

# ruff: noqa: RUF012 - settings are read, never changed

from ftcore.testing.reporters import ReporterContract


class TestConsole(ReporterContract):
    name = "console"
    settings = {"plain": True}


class TestConsoleInATerminal(ReporterContract):
    name = "console"
    settings = {"plain": False}


class TestMetrics(ReporterContract):
    name = "metrics"


class TestHtml(ReporterContract):
    name = "html"


class TestTensorboard(ReporterContract):
    name = "tensorboard"


class TestWandb(ReporterContract):
    name = "wandb"


class TestMlflow(ReporterContract):
    name = "mlflow"


class TestTrackio(ReporterContract):
    name = "trackio"
