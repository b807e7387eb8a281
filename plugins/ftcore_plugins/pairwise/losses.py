"""Preference losses as pure functions of log-probabilities: (pairs,) in, one loss a pair, (pairs,), out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from ftcore.pairs import Pairs


def orpo(pairs: Pairs, strength: float) -> Tensor:
    """ORPO (Hong et al. 2024, equations 6 and 7):

    −log p̄(y_w) − λ · log σ(log odds(y_w) − log odds(y_l)), where p̄ is the geometric mean of the probabilities of the
    answer's tokens and odds(y) = p̄(y) / (1 − p̄(y)).
    """
    log_odds = _log_odds(pairs.chosen_mean) - _log_odds(pairs.rejected_mean)
    return -pairs.chosen_mean - strength * logsigmoid(log_odds)


def simpo(pairs: Pairs, beta: float, margin: float) -> Tensor:
    """SimPO (Meng et al. 2024, equation 6): −log σ(β/|y_w| · log p(y_w) − β/|y_l| · log p(y_l) − γ)."""
    return -logsigmoid(beta * (pairs.chosen_mean - pairs.rejected_mean) - margin)


def cpo(pairs: Pairs, beta: float, imitation: float) -> Tensor:
    """CPO (Xu et al. 2024, equations 3 and 5): −log σ(β · log p(y_w) − β · log p(y_l)) − log p(y_w).

    Imitation is taken a token, as in the authors' code, so that long answers do not outweigh the preference.
    """
    return -logsigmoid(beta * (pairs.chosen - pairs.rejected)) - imitation * pairs.chosen_mean


def _log_odds(log_p: Tensor) -> Tensor:
    """log(p / (1 − p)) of log p < 0. `expm1` keeps what `1 - exp` would round away where p is near 1 or 0."""
    return log_p - torch.log(-torch.expm1(log_p.clamp(max=-1e-7)))
