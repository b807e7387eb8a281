"""Every built-in exporter keeps the contract of exporters."""

from ftcore.testing.exporters import ExporterContract


class TestSafetensors(ExporterContract):
    name = "safetensors"
