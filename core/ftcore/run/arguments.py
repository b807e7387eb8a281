"""The plan in the words of transformers' `TrainingArguments`, which every trainer understands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftcore.run.session import Session


def training_arguments(session: Session) -> dict[str, Any]:
    """Keyword arguments that hold for every strategy. What a strategy adds goes beside them."""
    plan = session.plan
    micro = plan.micro_batch
    integrations = [choice.spec.integration for choice in plan.reporters if choice.spec.integration]
    return {
        "output_dir": str(session.folder),
        "num_train_epochs": plan.train.epochs,
        "max_steps": plan.train.steps or -1,
        "per_device_train_batch_size": micro,
        # The first worker judges alone, so its batches are those of a single one, and so is the loss.
        "per_device_eval_batch_size": plan.train.micro_batch_size or plan.train.batch_size,
        "gradient_accumulation_steps": plan.train.batch_size // (plan.workers * micro),
        "learning_rate": plan.train.learning_rate,
        "lr_scheduler_type": plan.train.scheduler,
        # Below 1 transformers reads it as a share of all steps.
        "warmup_steps": plan.train.warmup,
        "weight_decay": plan.train.weight_decay,
        "max_grad_norm": plan.train.max_grad_norm,
        "optim": plan.train.optimizer,
        "seed": plan.train.seed,
        "data_seed": plan.train.seed,
        "gradient_checkpointing": plan.train.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if plan.train.gradient_checkpointing else None,
        "bf16": plan.precision.autocast == "bfloat16",
        "fp16": plan.precision.autocast == "float16",
        "logging_steps": 1,
        # transformers would put the average of earlier losses in place of a NaN.
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": plan.checkpoints.every,
        "eval_strategy": "no",
        "prediction_loss_only": True,
        "report_to": integrations,
        "run_name": session.folder.name,
        "disable_tqdm": True,
        "log_level": "error",
        "dataloader_pin_memory": not session.backend.device().startswith("cpu"),
        **session.backend.place(),
    }
