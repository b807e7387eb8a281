"""The strategies `grpo` and `rloo`: the settings in TRL's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftcore.errors import UsageError

if TYPE_CHECKING:
    from transformers import Trainer

    from ftcore.run.session import Session
    from ftcore_plugins.grpo.config import GrpoConfig, RlooConfig


class Grpo:
    """
    >>> trainer = Grpo(GrpoConfig(generations=8)).trainer(session)
    """

    def __init__(self, config: GrpoConfig) -> None:
        self._config = config

    def trainer(self, session: Session) -> Trainer:
        """Raises DataError when no row has a prompt, UsageError for a method that TRL or vLLM reads past."""
        from trl import GRPOConfig

        from ftcore_plugins.grpo.trainer import GrpoTrainer

        config = self._config
        arguments = GRPOConfig(
            **_arguments(session, config),
            loss_type=config.loss,
            scale_rewards=config.scale,
            importance_sampling_level=config.ratio,
        )
        return session.guarded(GrpoTrainer)(args=arguments, **_inputs(session, config))


class Rloo:
    """
    >>> trainer = Rloo(RlooConfig(beta=0.05)).trainer(session)
    """

    def __init__(self, config: RlooConfig) -> None:
        self._config = config

    def trainer(self, session: Session) -> Trainer:
        """Raises DataError when no row has a prompt, UsageError for a method that TRL or vLLM reads past."""
        from trl import RLOOConfig

        from ftcore_plugins.grpo.trainer import RlooTrainer

        config = self._config
        arguments = RLOOConfig(**_arguments(session, config), normalize_advantages=config.normalize)
        return session.guarded(RlooTrainer)(args=arguments, **_inputs(session, config))


def _arguments(session: Session, config: GrpoConfig | RlooConfig) -> dict[str, Any]:
    plan = session.plan
    micro_batches = plan.train.batch_size * config.generations // plan.micro_batch
    return {
        **session.arguments(),
        "per_device_train_batch_size": plan.micro_batch,
        "gradient_accumulation_steps": micro_batches,
        # TRL counts micro batches here.
        "steps_per_generation": micro_batches * config.steps_per_generation,
        "num_generations": config.generations,
        "max_completion_length": config.max_new_tokens,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "top_k": 0,
        # With one, TRL would load a second model by its name, or copy the adapter; the trainer has its own reference.
        "beta": 0.0,
        "epsilon": config.clip,
        "epsilon_high": config.clip_high,
        "mask_truncated_completions": config.mask_truncated,
        "disable_dropout": True,
        **(_vllm(session, config) if config.use_vllm else {}),
    }


def _vllm(session: Session, config: GrpoConfig | RlooConfig) -> dict[str, Any]:
    from peft import PeftModel

    from ftcore.run.generate import stop_tokens

    if not isinstance(session.model, PeftModel) and session.plan.method.spec.artifact == "adapter":
        raise UsageError(
            f"vLLM cannot be given what the method {session.plan.method.spec.name!r} trains",
            where="strategy.use_vllm",
            fix="--no-strategy.use_vllm, or --method lora",
        )
    stops = stop_tokens(session.model, session.tokenizer, config.template)
    return {
        "use_vllm": True,
        "vllm_mode": config.vllm_mode,
        "vllm_server_base_url": config.vllm_server,
        "vllm_gpu_memory_utilization": config.vllm_memory,
        "generation_kwargs": {"stop_token_ids": stops},
    }


def _inputs(session: Session, config: GrpoConfig | RlooConfig) -> dict[str, Any]:
    from ftcore_plugins.reference.trainer import must_spare_the_head
    from ftcore_plugins.rollouts.prompts import asked

    must_spare_the_head(session)
    return {"asked": asked(session), "config": config}
