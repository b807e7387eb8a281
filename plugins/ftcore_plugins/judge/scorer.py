"""The reward function `judge`: a language model elsewhere, asked for its score of each answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from ftcore.errors import ResourceError
from ftcore.types import Sample
from ftcore_plugins.judge.config import JudgeConfig
from ftcore_plugins.judge.endpoint import Endpoint, Failed
from ftcore_plugins.judge.memory import FILE, Memory
from ftcore_plugins.judge.question import question, score


class Judge:
    """(score − lowest) / (highest − lowest), as the judge says; what it said of the same answer before still holds.

    Zheng et al. 2023, https://arxiv.org/abs/2306.05685, section 3.1 (single answers, with the reference where there is
    one).
    """

    def __init__(self, config: JudgeConfig) -> None:
        """Raises UsageError where the key is not to be had."""
        self._config, self._endpoint, self._memory = config, Endpoint(config), Memory()

    def remember(self, folder: Path) -> None:
        self._memory = Memory(folder / FILE)

    def scores(self, samples: Sequence[Sample]) -> list[float]:
        """Raises ResourceError, naming the sample, when the judge cannot be asked or gives no score."""
        keys = [self._key(sample) for sample in samples]
        self._ask({key: sample for key, sample in zip(keys, samples, strict=True) if key not in self._memory})
        config = self._config
        return [(self._memory[key] - config.lowest) / (config.highest - config.lowest) for key in keys]

    def _key(self, sample: Sample) -> str:
        sent = [self._config.url, self._endpoint.body(question(self._config, sample))]
        return hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()

    def _ask(self, new: Mapping[str, Sample]) -> None:
        """All that were asked are waited for, since their scores are paid for; once one failed, no more are asked."""
        problem: ResourceError | None = None
        read = partial(score, config=self._config)
        with ThreadPoolExecutor(self._config.concurrency) as pool:
            asked = {
                pool.submit(self._endpoint.ask, question(self._config, sample), read): (key, sample)
                for key, sample in new.items()
            }
            for done in as_completed(asked):
                key, sample = asked[done]
                if done.cancelled():
                    continue
                try:
                    reply, given = done.result()
                except Failed as failed:
                    problem = problem or self._problem(failed, sample)
                    for other in asked:
                        other.cancel()
                else:
                    self._memory.keep(key, given, prompt=sample.prompt, answer=sample.output, reply=reply)
        if problem:
            raise problem

    def _problem(self, failed: Failed, sample: Sample) -> ResourceError:
        tries = f" ({self._config.retries + 1} tries)" if failed.again and self._config.retries else ""
        return ResourceError(
            f"the judge {failed.words}{tries}",
            where=self._config.url,
            more=[f"prompt: {sample.prompt[:80]!r}", f"answer: {sample.output[:80]!r}"],
            fix=failed.fix,
        )
