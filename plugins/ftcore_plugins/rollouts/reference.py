"""The model as it was before training, for trainers that ask it in every step."""

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
