"""Whether what a plugin built can be called as its protocols say, found out before anybody calls it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from ftcore.protocols import of_kind


def misfits(kind: str, built: Any) -> Iterator[tuple[Any, str, str]]:
    """The methods that take other arguments than their protocols give: each, as it is written and as it is called."""
    for protocol in [each for each in of_kind(kind) if isinstance(built, each)]:
        for name, wanted in vars(protocol).items():
            if name.startswith("_") or not inspect.isfunction(wanted):
                continue
            method = getattr(built, name)
            if not _takes(method, wanted):
                yield method, f"{name}{_bare(_unbound(method))}", f"{name}{_bare(wanted)}"


def _takes(method: Any, wanted: Callable[..., Any]) -> bool:
    """Whether a method takes what its protocol's function does, by place; `**options` are any."""
    _, *parameters = inspect.signature(wanted).parameters.values()
    places = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    options = {each.name: each for each in parameters if each.kind is each.VAR_KEYWORD}
    bound = [method] if inspect.ismethod(method) else []
    try:
        # A decorator's wrapper counts as it stands: it may well give its function other arguments.
        given = inspect.signature(_unbound(method), follow_wrapped=False)
    except (TypeError, ValueError):  # what is written in C need not say what it takes
        return True
    try:
        given.bind(*bound, *places, **options)
    except TypeError:
        return False
    return True


def _unbound(method: Any) -> Any:
    """With its `self`, unless that was forgotten."""
    return getattr(method, "__func__", method)


def _bare(function: Callable[..., Any]) -> inspect.Signature:
    """What a function takes, without annotations."""
    signature = inspect.signature(function, follow_wrapped=False)
    parameters = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=signature.empty)
