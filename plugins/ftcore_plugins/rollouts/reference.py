"""The model as it was before training, and a model that drops nothing: both, so that log-probabilities compare."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import nn

from ftcore.protocols import SwitchableMethod

if TYPE_CHECKING:
    from ftcore.run.session import Session


class Reference:
    """The model as it was before training: the method switched off, or a copy where that cannot be.

    Trainers are built before anything is trained or taken from a checkpoint, so the copy is made then.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        switchable = session.plan.method.spec.switchable
        self._copy = None if switchable else copy.deepcopy(session.model).requires_grad_(False).eval()

    @contextmanager
    def model(self, trained: nn.Module) -> Iterator[nn.Module]:
        """Inside, the reference; `trained` is the model as the trainer calls it."""
        if self._copy is not None:
            yield self._copy
            return
        method = self._session.method
        assert isinstance(method, SwitchableMethod)
        with method.disabled(self._session.model):
            yield trained


@contextmanager
def without_dropout(model: nn.Module) -> Iterator[None]:
    """Inside, nothing is dropped, or the ratios of probabilities would be noise.

    Modules with tensors of their own are left in training, since 4-bit layers and some adapters compute otherwise
    outside of it; and so are blocks that are to be recomputed, which would not be.
    """
    modules = [
        (module, module.training)
        for module in model.modules()
        if not (module._parameters or module._buffers or getattr(module, "gradient_checkpointing", False))
    ]
    for module, _ in modules:
        module.training = False
    try:
        yield
    finally:
        for module, was_training in modules:
            module.training = was_training
