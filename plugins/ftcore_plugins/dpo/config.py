"""Settings of direct preference optimisation, and which of them go together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ftcore.errors import UsageError
from ftcore.settings import KnownAs, Settings

SMOOTHED = {"robust": 0.1, "exo_pair": 1e-3, "aot": 0.0, "aot_unpaired": 0.0}
"""The losses that know of doubt in the labels, and what their papers recommend."""

DIVERGING = ("sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop")
"""The losses of the difference between both rewards alone. In the others the normaliser of an f-divergence other than
the usual one would not cancel."""


class DpoConfig(Settings):
    """How a pair of answers is scored. In what follows Δ is the difference, chosen minus rejected, of
    log p(answer) − log p_ref(answer)."""

    template: Literal["chat", "none"] = "chat"
    """`chat` renders rows with the model's chat template, as they will be at inference; `none` joins prompt and answer
    as they are."""

    loss: Literal[
        "sigmoid", "ipo", "hinge", "robust", "exo_pair", "nca_pair", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
        "apo_zero", "apo_down", "discopop", "sigmoid_norm",
    ] = "sigmoid"  # fmt: skip
    """`sigmoid` is DPO, −log σ(β·Δ) (arXiv:2305.18290), `sigmoid_norm` the same with Δ taken a token; `ipo` is
    (Δ a token − 1/2β)² and does not overfit to certain labels (2310.12036); `hinge` is max(0, 1 − β·Δ) (2305.10425);
    `robust` allows for flipped labels (2403.00409). The others: `exo_pair` 2402.00856, `nca_pair` 2402.05369,
    `bco_pair` 2404.04656, `sppo_hard` 2405.00675, `aot` 2406.05882, `apo_zero` and `apo_down` 2408.06266,
    `discopop` 2406.08414."""

    beta: Annotated[float, Field(gt=0), KnownAs("pref_beta", "dpo_beta")] = 0.1
    """How dear it is to move away from the untuned model; τ for `ipo`."""

    label_smoothing: Annotated[float | None, Field(ge=0, lt=0.5)] = None
    """Share of the labels that are taken to be wrong, for `robust`, `exo_pair` and `aot`. Left out: what the loss's
    paper recommends."""

    imitation: Annotated[float, Field(ge=0), KnownAs("pref_ftx", "rpo_alpha")] = 0.0
    """Weight of imitating the chosen answer beside the loss, as in RPO (arXiv:2404.19733). It keeps the chosen answer
    from becoming less likely together with the rejected one."""

    f_divergence: Literal["reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"] = "reverse_kl"
    """In what the distance to the untuned model is measured (f-DPO, arXiv:2309.16240)."""

    f_divergence_alpha: Annotated[float, Field(gt=0)] = 0.5
    """α of `alpha_divergence`."""

    ld_alpha: Annotated[float | None, Field(ge=0, le=1)] = None
    """Weight of the tokens by which one answer is longer than the other, against learning length (LD-DPO,
    arXiv:2409.06411). Left out: they count in full."""

    weighting: bool = False
    """Weigh each pair by how likely the model itself would have written it (WPO, arXiv:2406.11827)."""

    discopop_tau: Annotated[float, Field(gt=0)] = 0.05
    """Temperature of `discopop`."""

    @field_validator("loss", mode="before")
    @classmethod
    def _is_a_loss(cls, value: object) -> object:
        """Elsewhere these are losses of DPO."""
        if value in ("kto", "kto_pair", "orpo", "simpo"):
            name = str(value).removesuffix("_pair")
            raise UsageError(f"{value} is no loss of dpo, but a strategy of its own", fix=f"--strategy {name}")
        return value

    @model_validator(mode="after")
    def _go_together(self) -> DpoConfig:
        if self.label_smoothing and self.loss not in SMOOTHED:
            raise ValueError(f"the loss {self.loss} takes no label_smoothing; {', '.join(SMOOTHED)} do")
        if self.label_smoothing == 0 and self.loss == "exo_pair":
            raise ValueError("exo_pair divides by label_smoothing, so it must be above 0 (1e-3 in the paper)")
        if self.f_divergence != "reverse_kl" and self.loss not in DIVERGING:
            raise ValueError(f"f_divergence {self.f_divergence} is defined for {', '.join(DIVERGING)} only")
        if self.weighting and self.loss.startswith("aot"):
            raise ValueError(f"{self.loss} sorts pairs apart, so weighting has no pair to weigh")
        if self.weighting and self.imitation:
            raise ValueError("weighting weighs pairs, and imitation looks at one side only: choose one of them")
        return self

    @property
    def smoothing(self) -> float:
        """The label smoothing to compute with."""
        return SMOOTHED.get(self.loss, 0.0) if self.label_smoothing is None else self.label_smoothing
