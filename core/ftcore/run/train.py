"""Session → Outcome: judge, train, judge again, export, and read back what was written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import Interrupted, ModelError, ResourceError
from ftcore.events import Evaluated, PhaseStarted, RunStarted
from ftcore.protocols import SwitchableMethod
from ftcore.run import team
from ftcore.run.checkpoint import TRAINER_STATE
from ftcore.run.folder import follow_umask, manifest, read_json, remove, verify, write_json
from ftcore.run.plan import Choice
from ftcore.run.session import Session
from ftcore.run.signals import after_the_step
from ftcore.specs import EvaluatorSpec
from ftcore.types import Evaluation

if TYPE_CHECKING:
    from ftcore.run.proof import Proof

Results = Mapping[str, Evaluation]


@dataclass(slots=True)
class Outcome:
    """What came of a session: how the model did before and after, how training went, and the artifact's files."""

    session: Session
    before: Results
    after: Results
    training: dict[str, Any]
    facts: dict[str, Any]
    files: list[dict[str, Any]] = field(default_factory=list)


def train(session: Session, checkpoint: Path | None = None, before: Results | None = None) -> Outcome:
    """Train to the end, or from `checkpoint` on; `before` is what an earlier start of the run found.

    Raises Interrupted after a signal, DivergedError for non-finite numbers, ResourceError when memory runs out.
    """
    from ftcore.run.proof import Proof

    facts = _facts(session, checkpoint)
    session.emit(RunStarted(session.plan, session.folder, facts))
    proof = Proof(session)
    with after_the_step(session), _memory(session):
        if before is None:
            before = team.by_first(lambda: _judge_before(session))
        training = _train(session, checkpoint)
        proof.after_training()
        team.by_first(lambda: _stop_if_asked(session))
        after = team.by_first(lambda: _judge(session, "after"))
        team.by_first(lambda: _stop_if_asked(session))
    session.results = {"before": before, "after": after}
    outcome = Outcome(session, before, after, training, facts)
    outcome.files = team.by_first(lambda: _export(session, proof))
    return outcome


def _judge_before(session: Session) -> Results:
    """How the base model does. A method may begin otherwise, such as with words before every text."""
    with _switched_off(session):
        before = _judge(session, "before") if session.plan.evaluate.before else {}
    write_json(session.folder / "before.json", dump_results(before))
    return before


def _switched_off(session: Session) -> AbstractContextManager[Any]:
    if not session.plan.method.spec.switchable:
        return nullcontext()
    assert isinstance(session.method, SwitchableMethod)
    context = session.method.disabled(session.model)
    if not isinstance(context, AbstractContextManager):
        what = f"gives {context!r}, which is no context manager, when it is switched off"
        raise session.plan.method.fault(what, session.method.disabled, "@contextlib.contextmanager above disabled")
    return context


def _train(session: Session, checkpoint: Path | None) -> dict[str, Any]:
    from transformers import set_seed

    trainer: Any = session.trainer
    if session.plan.evaluate.every:
        trainer.add_callback(_judge_every(session, session.plan.evaluate.every))
    # Judging before training drew random numbers; training starts as if it had not.
    set_seed(session.plan.train.seed)
    with session.clock.phase("training"):
        if checkpoint and _is_done(checkpoint):
            trainer.take_up(checkpoint)  # transformers would train one step more
        else:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    # The trainer's own record goes into checkpoints, so it also knows the steps before a resume.
    steps = [entry for entry in trainer.state.log_history if "loss" in entry]
    seconds = sum(entry.get("seconds", 0.0) for entry in steps)
    tokens = sum(entry.get("tokens", 0) for entry in steps)
    return {
        "steps": trainer.state.global_step,
        "rows_seen": session.rows_seen,
        "seconds": seconds,
        "tokens_per_second": tokens / seconds if seconds else 0.0,
        "first_loss": steps[0]["loss"] if steps else None,
        "final_loss": steps[-1]["loss"] if steps else None,
        "peak_memory_bytes": session.backend.memory(),
    }


def _is_done(checkpoint: Path) -> bool:
    state = read_json(checkpoint / TRAINER_STATE)
    return bool(state["global_step"] >= state["max_steps"])


def _judge(session: Session, when: Any) -> Results:
    """Ask every evaluator that can judge these rows. Training's random numbers are left as they were."""
    kinds = {example.kind for example in session.data.heldout_examples}
    asked = session.plan.judges(kinds)
    if not (kinds or asked):
        return {}
    results = {}
    with session.clock.phase(f"judging {when} training"), _same_randomness():
        for choice in asked:
            _stop_if_asked(session)
            session.emit(PhaseStarted(f"judging {when} training: {choice.spec.name}"))
            results[choice.spec.name] = _said(choice, session)
    session.emit(Evaluated(when, session.step, results))
    return results


def _said(choice: Choice[EvaluatorSpec], session: Session) -> Evaluation:
    """What an evaluator says. Raises PluginError where that is no Evaluation, or has numbers that nobody declared."""
    evaluator = choice.build()
    said = evaluator.evaluate(session)
    if not isinstance(said, Evaluation):
        raise choice.fault(f"gives {said!r}, not an Evaluation", evaluator.evaluate, 'return Evaluation({"name": 0.5})')
    declared = {**choice.spec.metrics, **said.better}
    if strange := sorted(said.metrics.keys() - declared.keys()):
        what = f"gives {', '.join(strange)}, and its record declares {', '.join(declared) or 'no number'}"
        raise choice.fault(what, evaluator.evaluate, f'EvaluatorSpec(metrics={{"{strange[0]}": "up"}}, …)')
    return said


def _judge_every(session: Session, every: int) -> Any:
    from transformers import TrainerCallback

    class Judge(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            if state.global_step % every == 0 and state.global_step < state.max_steps:
                flags = dict(vars(control))
                try:
                    team.by_first(lambda: _judge(session, "during"))
                except Interrupted:  # the step before it is done, and must not be lost
                    flags |= {"should_save": True, "should_training_stop": True}
                # Evaluating takes the wish to log away, and the step's loss would go into the next one's.
                vars(control).update(flags)

    return Judge()


@contextmanager
def _same_randomness() -> Iterator[None]:
    from ftcore.run.checkpoint import restore_rng, rng_state

    state = rng_state()
    try:
        yield
    finally:
        restore_rng(state)


@contextmanager
def _memory(session: Session) -> Iterator[None]:
    """Turn the ways in which torch and Python say that memory ran out into one ResourceError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError; on a processor it is plain
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        is_torchs = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text
        if not (is_torchs or isinstance(error, MemoryError)):
            raise
        micro = max(1, session.plan.micro_batch // 2)
        raise ResourceError(
            f"memory ran out after step {session.step}: {text}",
            where=str(session.folder),
            fix=f"--train.micro_batch_size {micro}",
        ) from None


def _stop_if_asked(session: Session) -> None:
    if session.stop_signal is not None:
        raise Interrupted(
            session.stop_signal,
            where=str(session.folder),
            fix=f"ftcore resume {session.folder}",
            more=[f"stopped after step {session.step}; nothing is lost"],
        )


def _export(session: Session, proof: Proof) -> list[dict[str, Any]]:
    """Write the artifact beside its place, read it back, and only then give it its name.

    There may be one of that name: a run that was killed before its report stood has its last steps done anew.
    """
    final, temporary, old = (session.folder / name for name in ("model", ".tmp-model", ".old-model"))
    for stale in (temporary, old):
        remove(stale)
    temporary.mkdir()
    with session.clock.phase("writing the artifact"):
        session.emit(PhaseStarted("writing the artifact"))
        session.plan.exporter.build().export(session, temporary)
        follow_umask(temporary)
        files = manifest(temporary)
        write_json(temporary / "MANIFEST.json", {"files": files})
        _read_back(temporary, files)
        proof.of_artifact(temporary)
    if final.exists():
        final.rename(old)
    temporary.rename(final)
    remove(old)
    return files


def _read_back(folder: Path, files: list[dict[str, Any]]) -> None:
    """Raises ModelError unless every file is as written and every tensor is finite."""
    import torch

    from ftcore.run.stored import Stored

    problems = verify(folder, files)
    for entry in files:
        if entry["name"].endswith(".safetensors"):
            tensors = Stored(folder / entry["name"])
            problems += [
                f"{name} holds NaN or infinity" for name, t in tensors.items() if not torch.isfinite(t.float()).all()
            ]
    if problems:
        raise ModelError("the artifact failed its verification", where=str(folder), more=problems)


def _facts(session: Session, checkpoint: Path | None) -> dict[str, Any]:
    from ftcore.parameters import count

    trainable, total = count(session.model)
    plan, account = session.plan, session.data.account
    done = read_json(checkpoint / TRAINER_STATE)["global_step"] if checkpoint else 0
    return {
        "start_step": done,
        "trainable_parameters": trainable,
        "total_parameters": total,
        "train_rows": account["trained"],
        "heldout_rows": account["heldout"],
        "train_tokens": sum(source["tokens"] for source in account["sources"]),
        "trained_tokens": sum(source["trained_tokens"] for source in account["sources"]),
        "steps": _steps(session),
        "device": session.backend.device(),
        "precision": plan.precision.autocast or plan.precision.weights,
        "model": session.loader.name(),
        "learning_rate": plan.train.learning_rate,
    }


def _steps(session: Session) -> int:
    if session.plan.train.steps:
        return session.plan.train.steps
    trainer: Any = session.trainer
    batches = len(trainer.get_train_dataloader())
    in_a_step: int = trainer.args.gradient_accumulation_steps
    return math.ceil(session.plan.train.epochs * max(1, math.ceil(batches / in_a_step)))


def dump_results(results: Results) -> dict[str, Any]:
    """Evaluations as JSON."""
    return {
        name: {
            "metrics": dict(evaluation.metrics),
            "samples": [
                {"prompt": sample.prompt, "reference": sample.reference, "output": sample.output}
                for sample in evaluation.samples
            ],
        }
        for name, evaluation in results.items()
    }


def load_results(values: Mapping[str, Any]) -> Results:
    from ftcore.types import Sample

    return {
        name: Evaluation(value["metrics"], tuple(Sample(**sample) for sample in value["samples"]))
        for name, value in values.items()
    }
