"""What every trainer shares, whatever its strategy: safe checkpoints, exact resume, a check for non-finite numbers,
events, and stopping on a signal. It wraps any transformers Trainer and changes no number that one computes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerState

from ftcore.errors import DivergedError, ModelError, PluginError, ResourceError
from ftcore.events import CheckpointWritten, StepDone
from ftcore.protocols import LearningTrainer, SteppedMethod, SwitchableMethod
from ftcore.run import checkpoint, team
from ftcore.run.folder import read_json

if TYPE_CHECKING:
    from ftcore.run.plan import Choice
    from ftcore.run.session import Session


def guarded(trainer: type[Trainer], session: Session) -> type[Trainer]:
    """A subclass of `trainer` with the guard before it."""
    return type(f"Guarded{trainer.__name__}", (_Guard, trainer), {"session": session})


class _Guard(Trainer):  # type: ignore[misc]
    session: Session
    optimizer: Any
    tokens_read: int
    """By the model in the step under way. A trainer that makes its batches itself adds theirs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        dtypes = {name: p.dtype for name, p in self.session.model.named_parameters() if p.requires_grad}
        super().__init__(*args, **kwargs)
        # TRL turns adapters of 4-bit models to bf16, where updates below 1/256 of a weight vanish.
        for name, parameter in self.session.model.named_parameters():
            if name in dtypes:
                parameter.data = parameter.data.to(dtypes[name])
        self.tokens_read = 0
        self.step_began = self.step_ended = time.perf_counter()
        self.remove_callback(PrinterCallback)  # reporters show what it would print
        self.add_callback(_StepWatch(self))

    def _send_telemetry(self) -> None:
        """TRL would tell the hub of each trainer that is made. Nobody is told that a run takes place."""

    # Numbers ---------------------------------------------------------------------------------------------------------

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        if "input_ids" in inputs:
            self.tokens_read += int(inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).sum())
        loss: torch.Tensor = super().training_step(model, inputs, *args, **kwargs)
        self._must_be_finite("loss", loss)
        return loss

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        computed = super().compute_loss(model, inputs, *args, **kwargs)
        loss = computed[0] if isinstance(computed, tuple) else computed
        if model.training and torch.is_grad_enabled() and not loss.requires_grad:
            raise self._idle()
        return computed

    def _idle(self) -> PluginError:
        """The error for a loss that teaches nothing: the method is not at work, or the strategy went past it."""
        plan, method = self.session.plan, self.session.method
        if plan.method.plugin.is_built_in and not plan.strategy.plugin.is_built_in:
            return plan.strategy.fault("computes a loss without gradients", self.session.strategy.trainer)
        what = "has no part in the loss, so nothing would train"
        if isinstance(method, SwitchableMethod):
            return plan.method.fault(what, method.disabled, more=["it must be switched on again after `disabled`"])
        return plan.method.fault(what, method.attach)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if not self.args.fp16:  # the scaler of fp16 meets infinities on purpose, and skips such steps
            self._must_be_finite("gradient norm", norm)
        return norm

    def _must_be_finite(self, what: str, value: Any) -> None:
        """Raises DivergedError before the optimizer can put the number into the weights."""
        number = float(value)
        if number - number != 0:
            raise self._diverged(f"the {what} is {number} at step {self.state.global_step + 1}")

    def _diverged(self, what: str) -> DivergedError:
        folder, rate = self.session.folder, self.session.plan.train.learning_rate or 0.0
        if not self.state.global_step:
            suspects = f"{self._suspects()}the model, its precision or the data"
            more = [f"nothing has been changed yet, so it comes from {suspects}"]
            return DivergedError(what, where=str(folder), fix="--backend.precision fp32", more=more)
        kept = any((folder / "checkpoints").glob("step-*"))
        more = ["the weights of the last checkpoint are untouched"] if kept else []
        return DivergedError(what, where=str(folder), fix=f"--train.learning_rate {rate / 4:.2g}", more=more)

    def _suspects(self) -> str:
        """The plugins from elsewhere that had a hand in the first number, ready to be put before others."""
        chosen: dict[str, Choice[Any]] = {"method": self.session.plan.method, "strategy": self.session.plan.strategy}
        return "".join(f"the {axis} {c.plugin.key}, " for axis, c in chosen.items() if not c.plugin.is_built_in)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """A model that was judged counts as prepared, and accelerate would then train it in each process by itself."""
        if team.size() > 1:
            self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
            self.model.__dict__.pop("_is_accelerate_prepared", None)
        return super().train(*args, **kwargs)

    def create_optimizer(self, model: Any = None) -> Any:
        """As transformers does it, but for methods that bring their own parameter groups (LoRA+), and for what the
        trainer itself has to train."""
        try:
            return self._create_optimizer(model)
        except (ImportError, ValueError) as error:
            raise ResourceError(
                f"the optimizer {self.session.plan.train.optimizer!r} cannot be made here: {error}",
                fix="--train.optimizer adamw_torch",
            ) from error

    def _create_optimizer(self, model: Any) -> Any:
        if self.optimizer is not None:
            return super().create_optimizer(model)
        groups = getattr(self.session.method, "parameter_groups", None)
        groups = groups and groups(self.session.model, self.args.learning_rate)
        if groups:
            cls, kwargs = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = cls(groups, **{"weight_decay": self.args.weight_decay, **kwargs})
        else:
            self.optimizer = super().create_optimizer(model)
        own = getattr(self, "own_parameter_groups", None)
        for group in own(self.args.learning_rate) if own else ():
            self.optimizer.add_param_group(group)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, *args: Any, **kwargs: Any) -> Any:
        """A share of the steps is rounded down, not up: the first step of a warm-up has the rate zero, so that a run of
        a single step would train nothing."""
        if 0 < self.args.warmup_steps < 1:
            self.args.warmup_steps = int(self.args.warmup_steps * num_training_steps)
        return super().create_scheduler(num_training_steps, *args, **kwargs)

    # Events ----------------------------------------------------------------------------------------------------------

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        super().log(logs, *args, **kwargs)
        if "loss" not in logs:
            return
        metrics = {key: float(value) for key, value in logs.items() if isinstance(value, (int, float))}
        measured = {"tokens": sum(team.every(self.tokens_read)), "seconds": self.step_ended - self.step_began}
        metrics |= {**measured, "memory_bytes": self.session.backend.memory()}
        self.state.log_history[-1] |= measured
        self.tokens_read = 0
        self.session.emit(StepDone(self.state.global_step, self.state.max_steps, metrics))

    # Checkpoints -----------------------------------------------------------------------------------------------------

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ARG002
        random_states = team.every(checkpoint.rng_state())
        written = team.by_first(lambda: self._write_checkpoint(random_states))
        self.session.emit(CheckpointWritten(self.state.global_step, written))

    def _write_checkpoint(self, random_states: list[dict[str, Any]]) -> Path:
        method, model = self.session.method, self.session.model
        progress = method.progress(model) if isinstance(method, SteppedMethod) else None
        own = self.progress() if isinstance(self, LearningTrainer) else None
        folder, keep = self.session.folder / "checkpoints", self.session.plan.checkpoints.keep
        return checkpoint.write(self, method.state(model), folder, keep, progress, random_states, own)

    def take_up(self, folder: Path) -> None:
        """Be where the checkpoint is, without training on."""
        self._load_from_checkpoint(str(folder))
        self.state = TrainerState.load_from_json(str(folder / checkpoint.TRAINER_STATE))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:  # noqa: ARG002
        state = checkpoint.load_tensors(Path(resume_from_checkpoint) / checkpoint.STATE)
        try:
            self.session.method.load_state(self.session.model, state)
            if isinstance(self.session.method, SteppedMethod):
                progress = checkpoint.load_tensors(Path(resume_from_checkpoint) / checkpoint.PROGRESS)
                self.session.method.load_progress(self.session.model, progress)
            if isinstance(self, LearningTrainer):
                self.load_progress(checkpoint.load_tensors(Path(resume_from_checkpoint) / checkpoint.TRAINER))
        except ValueError as error:
            raise ModelError(f"the checkpoint does not fit the model: {error}", where=resume_from_checkpoint) from None

    def _load_optimizer_and_scheduler(self, checkpoint_folder: str | None) -> None:
        if checkpoint_folder is None:
            return
        self.optimizer.load_state_dict(checkpoint.read_optimizer(Path(checkpoint_folder)))
        self.lr_scheduler.load_state_dict(read_json(Path(checkpoint_folder) / "scheduler.json"))

    def _load_scaler(self, checkpoint_folder: str | None) -> None:
        if checkpoint_folder is not None and (path := Path(checkpoint_folder) / checkpoint.SCALER).is_file():
            self.accelerator.scaler.load_state_dict(read_json(path))

    def _load_rng_state(self, checkpoint_folder: str | None) -> None:
        if checkpoint_folder is not None:
            checkpoint.restore_rng(read_json(Path(checkpoint_folder) / checkpoint.rng_name(team.rank())))


class _StepWatch(TrainerCallback):  # type: ignore[misc]
    """Times each step by itself, without judging and saving, and ends training after one when a signal asked for it.

    Only a whole step can be saved: with several micro batches, stopping before the last would lose them all.
    """

    def __init__(self, trainer: _Guard) -> None:
        self._trainer = trainer
        method = trainer.session.method
        self._stepped = method if isinstance(method, SteppedMethod) else None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if self._stepped:
            self._stepped.begin(self._trainer.session.model, state.max_steps)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if self._stepped and (before_step := getattr(self._stepped, "before_step", None)):
            before_step(self._trainer.session.model, state.global_step + 1)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if self._stepped:
            self._stepped.after_step(self._trainer.session.model, state.global_step + 1)
            self._forget_what_is_frozen()

    def _forget_what_is_frozen(self) -> None:
        """A method may have frozen parameters; Adam remembers two numbers for each of theirs."""
        remembered = self._trainer.optimizer.state
        for parameter in [parameter for parameter in remembered if not parameter.requires_grad]:
            del remembered[parameter]

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._trainer.step_began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._trainer.step_ended = time.perf_counter()
        session = self._trainer.session
        session.stop_signal = team.by_first(lambda: session.stop_signal)
        if session.stop_signal is not None:
            control.should_save = control.should_training_stop = True
