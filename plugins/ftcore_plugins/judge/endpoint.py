"""One question to a chat endpoint, asked again where that may help. It knows nothing of scores.

Python's own urllib is enough for it: a question takes the judge seconds, beside which a new connection is nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ftcore_plugins.judge.config import JudgeConfig, api_key

BUSY = {408, 409, 425, 429}
"""Beside everything from 500 on, the states in which a server asks for patience."""

LONGEST_WAIT = 60.0
LARGEST = 1 << 20
"""Bytes of a reply that are read."""


class Failed(Exception):
    """What became of a question, as the end of a sentence about the judge. `wait` is in seconds, as the judge asks."""

    def __init__(self, words: str, *, again: bool = True, wait: float = 0.0, fix: str | None = None) -> None:
        super().__init__(words)
        self.words, self.again, self.wait, self.fix = words, again, wait, fix


class Endpoint:
    """
    >>> Endpoint(config).ask("How good is …?", read=lambda reply: float(reply))
    ('7', 7.0)
    """

    def __init__(self, config: JudgeConfig) -> None:
        """Raises UsageError where the key is not to be had."""
        self._config, self._key = config, api_key(config)
        self._url = f"{config.url.rstrip('/').removesuffix('/chat/completions')}/chat/completions"
        self._opener = build_opener(_NoDetours)

    def body(self, question: str) -> dict[str, Any]:
        """What is sent: the whole of it, so that it can tell one question from another."""
        limits = {"temperature": self._config.temperature, "max_tokens": self._config.max_tokens}
        messages = [{"role": "user", "content": question}]
        sent = {name: value for name, value in limits.items() if value is not None}
        return {"model": self._config.model, "messages": messages, **sent}

    def ask(self, question: str, read: Callable[[str], float]) -> tuple[str, float]:
        """The reply, and what `read` makes of it; where that raises ValueError the question is asked again as well.

        Raises Failed when all tries are used up, or at once where another would fail in the same way.
        """
        tries, wait = self._config.retries, self._config.backoff
        while True:
            try:
                reply = self._reply(question)
                return reply, read(reply)
            except Failed as failed:
                problem = failed
            except ValueError as error:
                problem = Failed(str(error), fix="--rewards.model NAME of a judge that keeps to the question's form")
            if not (problem.again and tries):
                raise problem
            time.sleep(min(max(wait, problem.wait), LONGEST_WAIT))
            tries, wait = tries - 1, 2 * wait

    def _reply(self, question: str) -> str:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "ftcore"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = json.dumps(self.body(question)).encode()
        request = Request(self._url, data, headers)  # noqa: S310 - the plan has made sure of http or https
        try:
            with self._opener.open(request, timeout=self._config.timeout) as response:
                text = self._text(response.read(LARGEST))
        except HTTPError as error:
            raise self._refused(error) from None
        except (OSError, HTTPException) as error:
            raise self._out_of_reach(error) from None
        try:
            reply = json.loads(text)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError):
            reply = None
        if not isinstance(reply, str):
            raise Failed(f"sent what is no chat completion: {text[:80]!r}", fix="--rewards.url http://HOST:PORT/v1")
        return reply

    def _refused(self, error: HTTPError) -> Failed:
        with error:
            said = " ".join(self._text(error.read(LARGEST)).split())[:120]
        words = f"refused the question with HTTP {error.code}{f': {said}' if said else ''}"
        if error.code in BUSY or error.code >= 500:
            return Failed(words, wait=_seconds(error.headers.get("Retry-After")), fix="--rewards.retries 10")
        fixes = {401: "--rewards.api_key_env NAME", 403: "--rewards.api_key_env NAME", 404: "--rewards.model NAME"}
        return Failed(words, again=False, fix=fixes.get(error.code, "--rewards.url http://HOST:PORT/v1"))

    def _out_of_reach(self, error: Exception) -> Failed:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return Failed(f"gave no reply within {self._config.timeout:g} s", fix="--rewards.timeout 300")
        return Failed(
            f"cannot be reached: {str(reason) or type(reason).__name__}", fix="--rewards.url http://HOST:PORT/v1"
        )

    def _text(self, data: bytes) -> str:
        """What the server sent, without the key, which some quote in their refusals."""
        text = data.decode("utf-8", errors="replace")
        return text.replace(self._key, "[key]") if self._key else text


class _NoDetours(HTTPRedirectHandler):
    """A redirect is an error: the key is for the address that the user gave, and for no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _seconds(text: str | None) -> float:
    """`Retry-After` in seconds; 0 where it is missing or a date."""
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0
