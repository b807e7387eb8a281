"""ftcore tunes a pre-trained language model on your own data. The core knows how a run goes; plugins know the rest.

This front imports only pluggy, so that a plugin may `from ftcore import hookimpl, MethodSpec, Ref` at no cost.
"""

from pluggy import HookimplMarker

from ftcore.specs import (
    BackendSpec,
    CommandSpec,
    EvaluatorSpec,
    ExporterSpec,
    FormatSpec,
    LoaderSpec,
    MethodSpec,
    Ref,
    ReporterSpec,
    RewardSpec,
    SourceSpec,
    StrategySpec,
)

__version__ = "0.1.0"

hookimpl = HookimplMarker("ftcore")
"""Marks a function in a plugin as the implementation of the hook of the same name."""

__all__ = [
    "BackendSpec",
    "CommandSpec",
    "EvaluatorSpec",
    "ExporterSpec",
    "FormatSpec",
    "LoaderSpec",
    "MethodSpec",
    "Ref",
    "ReporterSpec",
    "RewardSpec",
    "SourceSpec",
    "StrategySpec",
    "hookimpl",
]
