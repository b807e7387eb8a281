"""Who gets the value of an environment variable: always said on the plan, and never decided by a file alone.

A run file or a run folder may come from anybody, and the environment holds keys of every kind.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from ftcore.errors import FtcoreError, PolicyError
from ftcore.run.plan import Plan
from ftcore.types import Finding, Secret


def told(plan: Plan) -> Iterator[Finding]:
    """A note on each value that is sent somewhere."""
    for secret in plan.secrets():
        yield Finding("note", f"the value of ${secret.variable} is sent to {_host(secret)}")


def refused(plan: Plan) -> Iterator[FtcoreError]:
    """An error for each that would go to another machine because a file says so, while nobody on the line does."""
    from ftcore.line import options

    for secret in plan.secrets():
        file = plan.named_by_file.get(secret.variable)
        if file and secret.variable not in options.allow_env and not _is_here(_host(secret)):
            yield PolicyError(
                f"the file says to send the value of ${secret.variable} to {_host(secret)}",
                where=file,
                more=["whoever wrote the file would get it; if you mean to, name the variable on the line as well"],
                fix=f"the same line with --allow-env {secret.variable}",
            )


def _host(secret: Secret) -> str:
    """In any spelling that may be meant; what is no address is said to be none, and belongs to nobody."""
    try:
        return urlsplit(secret.url).hostname or "an address that cannot be read"
    except ValueError:
        return "an address that cannot be read"


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
