"""Settings of the judge. The key stands in none of them: they go into run.yaml, and the key goes nowhere."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ftcore.errors import UsageError
from ftcore.settings import Settings
from ftcore.types import Finding, Secret

NAME = r"[A-Z_][A-Z0-9_]{0,63}"
"""What an environment variable with a key in it is called."""

HERE = {"localhost", "127.0.0.1", "::1"}

TEMPLATE = """\
Judge the answer to the last message of a conversation. A good answer is {rubric}

<conversation>
{conversation}
</conversation>
<reference>{reference}</reference>
<answer>
{answer}
</answer>

How good is the answer, from {lowest} to {highest}? Reply with JSON only: {"score": NUMBER}"""


def _shows_the_answer(template: str) -> str:
    if "{answer}" not in template:
        raise ValueError("without {answer} in it the judge would not see what it judges")
    return template


class JudgeConfig(Settings):
    """Whom to ask, what to ask, and how patiently. A score counts from 0, the `lowest`, to 1, the `highest`."""

    url: str
    """Where the judge's API is: `http://127.0.0.1:8000/v1`. vLLM, llama.cpp, Ollama and most services have one."""

    model: str
    """What the judge's model is called there."""

    api_key_env: str | None = None
    """The name of the environment variable that holds the API key, never the key itself. Left out: no key is sent."""

    rubric: str = "correct, helpful, and no longer than it needs to be."
    """What makes an answer good, in words that end the sentence *A good answer is …*."""

    template: Annotated[str, AfterValidator(_shows_the_answer)] = TEMPLATE
    """What the judge is asked. `{rubric}`, `{conversation}`, `{prompt}` (its last message), `{answer}`, `{reference}`
    (the right answer, empty where there is none), `{lowest}` and `{highest}` are filled in. The score is read from
    JSON such as `{"score": 7}` in the reply, or else is the reply's first number."""

    lowest: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """The score of the worst answer."""

    highest: Annotated[float, Field(allow_inf_nan=False, validate_default=True)] = 10.0
    """The score of the best answer."""

    temperature: Annotated[float | None, Field(ge=0)] = 0.0
    """How boldly the judge writes. `none` sends no temperature, for models that refuse one."""

    max_tokens: Annotated[int | None, Field(gt=0)] = 512
    """Longest reply, in tokens. `none` sends no limit, for models that refuse one or think at length."""

    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds to wait for a reply."""

    retries: Annotated[int, Field(ge=0)] = 5
    """How often a question is asked again when the judge is busy, broken or out of reach, or when there is no score in
    its reply."""

    backoff: Annotated[float, Field(ge=0)] = 1.0
    """Seconds before the second try, doubled for each further one; a judge that says when to come back is obeyed, both
    up to a minute."""

    concurrency: Annotated[int, Field(gt=0)] = 8
    """Questions under way at once."""

    def secrets(self) -> Iterator[Secret]:
        if self.api_key_env and re.fullmatch(NAME, self.api_key_env):  # what is no name may be the key, and is not told
            yield Secret(self.api_key_env, self.url)

    @field_validator("highest")
    @classmethod
    def _is_above(cls, highest: float, others: ValidationInfo) -> float:
        if not others.data.get("lowest", -math.inf) < highest:
            raise ValueError(f"the lowest score {others.data['lowest']:g} is not below it")
        return highest


def api_key(config: JudgeConfig) -> str | None:
    """The key. Raises UsageError, which shows neither the key nor a setting that may be one by mistake."""
    name = config.api_key_env
    if name is None:
        return None
    if not re.fullmatch(NAME, name):
        what = "this is not the name of an environment variable, and is not shown in case it is the key itself"
        raise UsageError(what, where="rewards.api_key_env", fix="--rewards.api_key_env JUDGE_API_KEY")
    key = os.environ.get(name, "").strip()
    if not key:
        raise UsageError(
            f"the environment variable {name} is not set", where="rewards.api_key_env", fix=f"export {name}=…"
        )
    if not re.fullmatch(r"[!-~]+", key):
        what = f"what the environment variable {name} holds has spaces or letters that no key has"
        raise UsageError(what, where="rewards.api_key_env", fix=f"export {name}=…")
    return key


def findings(config: JudgeConfig) -> Iterator[Finding]:
    """What can be said before anything loads, without asking the judge."""
    address = urlsplit(config.url)
    fix = "--rewards.url http://HOST:PORT/v1"
    if set("@?#") & set(config.url):
        # Such an address may hold a key, so it is not shown.
        yield Finding(
            "error", "rewards.url is an address alone: a name, a password or a query does not belong there", fix
        )
    elif address.scheme not in ("http", "https") or not address.hostname:
        yield Finding("error", f"rewards.url {config.url!r} is no address of the form http://HOST:PORT/v1", fix)
    try:
        key = api_key(config)
    except UsageError as error:
        yield Finding("error", f"{error.where}: {error.what}", error.fix)
        return
    if address.hostname not in HERE:
        yield Finding("note", f"prompts and answers of this run are sent to {address.hostname}, to be judged")
        if key and address.scheme == "http":
            yield Finding(
                "warning", f"the key would travel to {address.hostname} in the open", "--rewards.url https://…"
            )
