"""Asks the harness about the model in memory, as it is being trained, and leaves it as it was."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ftcore.errors import Interrupted, ResourceError
from ftcore.types import Evaluation
from ftcore_lm_eval.config import LmEvalConfig
from ftcore_lm_eval.tasks import manager

if TYPE_CHECKING:
    from ftcore.run.session import Session

SHARES = ("acc", "exact_match", "em", "f1")
"""Metrics of the harness that lie between 0 and 1; names such as `acc_norm` begin with one of them."""


FEWSHOT_SEED = 1234
"""The harness's own, so that numbers can be compared."""


class LmEval:
    """
    >>> LmEval(LmEvalConfig(tasks=["arc_easy"], limit=100)).evaluate(session).metrics
    {'arc_easy/acc': 0.57, 'arc_easy/acc_norm': 0.51}
    """

    def __init__(self, config: LmEvalConfig) -> None:
        self.config = config

    def evaluate(self, session: Session) -> Evaluation:
        """Every number of the tasks that were asked for, as `task/metric`, and `task/metric/filter` where the task
        reads answers in several ways. Raises ResourceError when a task's questions cannot be fetched."""
        with _quietly(), _as_it_was(session.model):
            return as_evaluation(self._ask(session))

    def _ask(self, session: Session) -> Mapping[str, Any]:
        from lm_eval.evaluator import evaluate

        results: Any = evaluate(
            lm=_wrapped(session, self.config.batch_size),
            task_dict=self._tasks(),
            limit=self.config.limit,
            apply_chat_template=self.config.chat,
            fewshot_as_multiturn=self.config.chat,
            bootstrap_iters=0,  # the error of a mean, which no report shows
            log_samples=False,
        )
        return dict(results)

    def _tasks(self) -> Any:
        """The tasks with their questions and as many solved ones as are wanted, always the same ones.

        The harness's `simple_evaluate` does this too, and writes down the machine it runs on, for which it asks git and
        pip each time.
        """
        wanted = self.config.fewshot
        try:
            loaded = manager(self.config).load(list(self.config.tasks))
        except (ConnectionError, FileNotFoundError) as error:
            raise ResourceError(
                f"the questions of {', '.join(self.config.tasks)} cannot be had: {error}",
                where="lm-eval",
                fix="use tasks with local questions: --evaluators.include_path FOLDER",
            ) from error
        for task in loaded["tasks"].values():
            own = task.get_config("num_fewshot")
            # A task that says 0 cannot be asked with solved questions, whatever the user says.
            task.set_config(key="num_fewshot", value=own or 0 if wanted is None or own == 0 else wanted)
            task.set_fewshot_seed(seed=FEWSHOT_SEED)
        return loaded


def _wrapped(session: Session, batch_size: int) -> Any:
    """The session's own model, not a copy, as the harness asks it."""
    from lm_eval.models.huggingface import HFLM

    class Asked(HFLM):  # type: ignore[misc]
        def _model_call(self, *inputs: Any, **named: Any) -> Any:
            _stop_if_asked(session)
            return super()._model_call(*inputs, **named)

        def _model_generate(self, *inputs: Any, **named: Any) -> Any:
            _stop_if_asked(session)
            return super()._model_generate(*inputs, **named)

    return Asked(
        pretrained=session.model,
        tokenizer=copy.deepcopy(session.tokenizer),  # the harness may give it another padding token
        backend="causal",
        batch_size=batch_size,
        mixed_precision_dtype=session.plan.precision.autocast,
    )


def _stop_if_asked(session: Session) -> None:
    if session.stop_signal is not None:
        raise Interrupted(session.stop_signal, where=str(session.folder), fix=f"ftcore resume {session.folder}")


@contextlib.contextmanager
def _as_it_was(model: Any) -> Iterator[None]:
    """The harness puts a model into evaluation mode and ties its weights, which would undo a head that trains apart
    from its embedding."""
    modes = [(module, module.training) for module in model.modules()]
    model.tie_weights = lambda *_, **__: None
    try:
        yield
    finally:
        del model.tie_weights
        for module, training in modes:
            module.training = training


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The harness's progress bars and advice would run into those of the run."""
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def as_evaluation(results: Mapping[str, Any]) -> Evaluation:
    """What the harness found, as ftcore says it."""
    metrics: dict[str, float] = {}
    better: dict[str, str] = {}
    for task in _shown(results):
        for key, value in _numbers(results["results"][task]).items():
            metric, _, way = key.partition(",")
            name = f"{task}/{metric}" if way == "none" else f"{task}/{metric}/{way}"
            metrics[name] = value
            is_up = results["higher_is_better"].get(task, {}).get(metric)
            if is_up is not None:
                better[name] = "up" if is_up else "down"
    return Evaluation(metrics, better=better, percent=tuple(filter(_is_share, metrics)))


def _shown(results: Mapping[str, Any]) -> list[str]:
    """Tasks and groups, without the parts of a group that has a number itself: MMLU is one, not sixty."""
    found, parts = results["results"], results.get("group_subtasks", {})
    hidden: set[str] = set()
    waiting = [part for group, names in parts.items() if _numbers(found.get(group, {})) for part in names]
    while waiting:
        hidden.add(part := waiting.pop())
        waiting += parts.get(part, ())
    return [task for task in found if task not in hidden]


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    """`acc,none` and the like, without errors of the mean and what is no number."""
    return {
        key: float(value)
        for key, value in found.items()
        if "," in key and "_stderr," not in key and isinstance(value, (int, float)) and math.isfinite(value)
    }


def _is_share(name: str) -> bool:
    return name.split("/")[1].startswith(SHARES)
