"""Settings of the preference losses that need no reference model."""

from typing import Annotated, Literal

from pydantic import Field

from ftcore.settings import KnownAs, Settings


class _Rendered(Settings):
    template: Literal["chat", "none"] = "chat"
    """`chat` renders rows with the model's chat template, as they will be at inference; `none` joins prompt and answer
    as they are."""


class OrpoConfig(_Rendered):
    """Odds-ratio preference optimisation (https://arxiv.org/abs/2403.07691)."""

    strength: Annotated[float, Field(gt=0)] = 0.1
    """Weight of the odds ratio beside imitation, λ in the paper."""


class SimpoConfig(_Rendered):
    """Simple preference optimisation (https://arxiv.org/abs/2405.14734)."""

    beta: Annotated[float, Field(gt=0), KnownAs("pref_beta")] = 2.0
    """How steeply the loss falls with the margin between the two answers."""

    margin: Annotated[float, Field(ge=0), KnownAs("simpo_gamma")] = 1.0
    """How much likelier the chosen answer should be, in units of `beta` times nats a token: γ in the paper."""


class CpoConfig(_Rendered):
    """Contrastive preference optimisation (https://arxiv.org/abs/2401.08417)."""

    beta: Annotated[float, Field(gt=0), KnownAs("pref_beta")] = 0.1
    """How steeply the loss falls with the difference of the log-probabilities."""

    imitation: Annotated[float, Field(ge=0)] = 1.0
    """Weight of imitating the chosen answer."""
