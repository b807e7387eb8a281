"""`doctor`: is this installation fit to train, and on what? Says what to type where it is not."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path
from typing import Any

import click

from ftcore.cli.listing import table

GIB = 1 << 30


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def doctor(as_json: bool) -> None:
    """Examine the installation and the machine: versions, hardware backends, disk, plugins."""
    from ftcore.line import options
    from ftcore.run.lock import versions

    manager = options.manager()
    manager.ask_all()
    record: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions(),
        "backends": _backends(manager),
        "free_disk_bytes": shutil.disk_usage(Path.cwd()).free,
        "problems": manager.problems(),
    }
    if as_json:
        click.echo(json.dumps(record, indent=2))
        return
    click.echo(f"Python {record['python']} on {record['platform']}")
    click.echo(", ".join(f"{name} {version}" for name, version in record["packages"].items()))
    click.echo(f"free disk here: {record['free_disk_bytes'] / GIB:.0f} GiB\n")
    table(
        (
            (
                b["name"],
                "yes" if b["available"] else "no",
                f"{b['memory_bytes'] / GIB:.0f} GiB" if b["memory_bytes"] else "–",
                b["reason"] or f"{', '.join(b['devices'])}; can do {', '.join(b['capabilities'])}",
            )
            for b in record["backends"]
        ),
        ("backend", "usable", "memory", "what was found"),
    )
    click.echo()
    for problem in record["problems"]:
        click.echo(click.style(f"problem: {problem}", fg="red"))
    if not record["problems"]:
        click.echo("All plugins work.")


def _backends(manager: Any) -> list[dict[str, Any]]:
    from ftcore.run.plan import Choice

    found = []
    for offer in manager.usable("backend"):
        with manager.sparing(offer.plugin):
            hardware = Choice.of("backend", offer).build().probe()
        if offer.plugin.state != "active":
            continue
        found.append(
            {
                "name": offer.spec.name,
                "available": hardware.available,
                "reason": hardware.reason,
                "devices": list(hardware.devices),
                "memory_bytes": hardware.memory_bytes,
                "capabilities": sorted(hardware.capabilities),
            }
        )
    return found
