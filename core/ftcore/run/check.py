"""Plan → findings: everything that can be said against a run before torch is imported, all at once."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from ftcore import columns
from ftcore.errors import DataError, FtcoreError, ModelError, PluginError, PolicyError, ResourceError, UsageError
from ftcore.manager import PluginManager
from ftcore.run import optimizers, secrets
from ftcore.run.exclusive import require_free
from ftcore.run.folder import free, is_unused
from ftcore.run.plan import DataChoice, Plan
from ftcore.run.rows import Recognised, label, recognise
from ftcore.run.usable import Usable, looked_through, split, unanswered
from ftcore.types import Finding

UNUSUAL = 30
"""So many times the usual learning rate is a slip: tuning it by hand moves it by factors of two to ten."""


def check(plan: Plan, manager: PluginManager, trains: bool = True) -> Plan:
    """The plan with its findings. Raises the first error that makes it impossible, with the others behind it.

    Who only looks at rows (`trains` False) is not told what speaks against training on them.
    """
    findings: list[Finding] = []
    if trains:
        _refuse(_at_a_glance(plan, manager))
        _refuse(secrets.refused(plan))
        findings += secrets.told(plan)
    recognised: list[tuple[DataChoice, Recognised]] = []
    _refuse(_by_opening(plan, manager, findings, recognised))
    findings += _learning_rate(plan)
    findings += _unheard_rewards(plan)
    rows: list[Usable] = []
    _refuse(looked_through(recognised, findings, rows))
    if trains:
        _refuse(unanswered(plan, rows))
    plan = dataclasses.replace(plan, rows=split(plan, rows))
    for plugin, found in manager.each("ftcore_plan_findings", plan=plan):
        theirs: list[Finding] = []
        with manager.sparing(plugin):
            theirs = [_finding(one) for one in found or ()]
        for finding in theirs:
            if finding.level != "error":
                findings.append(finding)
            elif trains:
                said_by = "" if plugin.is_built_in else f" (says {plugin.key})"
                kind = PolicyError if finding.unsafe else UsageError
                raise kind(f"{finding.message}{said_by}", fix=finding.fix)
    return dataclasses.replace(plan, findings=tuple(findings))


def _finding(given: object) -> Finding:
    if not isinstance(given, Finding):
        raise PluginError(f"ftcore_plan_findings gave {given!r}, not a Finding")
    return given


def _refuse(errors: Iterator[FtcoreError]) -> None:
    """Raise the first error and say the others with it, so that nobody mends one only to meet the next."""
    found = list(errors)
    if found:
        first, *others = found
        also = (f"also: {error.where}: {error.what}" if error.where else f"also: {error.what}" for error in others)
        first.more = (*first.more, *also)
        raise first


def _at_a_glance(plan: Plan, manager: PluginManager) -> Iterator[FtcoreError]:
    yield from _combination(plan, manager)
    yield from _numbers(plan)
    yield from _packages(plan)
    if error := optimizers.refusal(plan.train.optimizer):
        yield error
    yield from _out(plan)


def _by_opening(
    plan: Plan, manager: PluginManager, findings: list[Finding], recognised: list[tuple[DataChoice, Recognised]]
) -> Iterator[FtcoreError]:
    """Look at the model's files and at the first rows of local sources, which takes no time however large they are."""
    for finding in plan.model.build().findings():
        if finding.level == "error":
            yield (PolicyError if finding.unsafe else ModelError)(finding.message, fix=finding.fix)
        findings.append(finding)
    for entry in plan.data:
        if not entry.source.spec.local:
            continue
        try:
            found = recognise(manager, entry, plan.strategy.spec.examples)
        except FtcoreError as error:
            yield error
            continue
        findings.append(Finding("note", f"{label(entry)}: format {found.name} ({found.reason})"))
        yield from fits(plan, entry, found, manager)
        recognised.append((entry, found))


def _combination(plan: Plan, manager: PluginManager) -> Iterator[FtcoreError]:
    """Compare declared facts: what the method needs of the backend, and what the strategy needs of the method."""
    method = plan.method.spec
    lacking = [need for need in method.needs if need not in plan.hardware.capabilities]
    if lacking:
        near = [
            offers[0].spec.name
            for offers in manager.catalogue("method").values()
            if set(getattr(offers[0].spec, "needs", ())) <= plan.hardware.capabilities
            and getattr(offers[0].spec, "artifact", None) == method.artifact
        ]
        yield ResourceError(
            f"the method {method.name!r} needs {', '.join(lacking)}, which the backend {plan.backend.spec.name} lacks",
            value=f"it has {', '.join(sorted(plan.hardware.capabilities))}",
            fix=f"--method {near[0]}" if near else "ftcore doctor",
        )
    yield from _head(plan, manager)
    if plan.strategy.spec.needs_rewards and not plan.rewards:
        yield UsageError(
            f"the strategy {plan.strategy.spec.name!r} learns from rewards, and the run names no reward function",
            more=[f"there are {', '.join(sorted(manager.catalogue('rewards')))}"],
            fix="--rewards NAME",
        )


def _head(plan: Plan, manager: PluginManager) -> Iterator[FtcoreError]:
    head = plan.strategy.spec.head
    if head in plan.method.spec.heads:
        return
    offers = [offers[0].spec for offers in manager.catalogue("method").values()]
    able = [spec.name for spec in offers if head in getattr(spec, "heads", ())]
    authors = f'a method of your own that trains and saves it says so: MethodSpec(heads=("lm", "{head}"), …)'
    yield UsageError(
        f"the strategy {plan.strategy.spec.name!r} puts a new head on the model, "
        f"which the method {plan.method.spec.name!r} does not train",
        more=[
            *([f"these do: {', '.join(sorted(able))}"] if able else []),
            *([] if plan.method.plugin.is_built_in else [authors]),
        ],
        fix=f"--method {able[0]}" if able else None,
    )


def _numbers(plan: Plan) -> Iterator[FtcoreError]:
    micro, workers, batch = plan.train.micro_batch_size, plan.workers, plan.train.batch_size
    share, rest = divmod(batch, workers)
    if rest:
        yield UsageError(
            f"train.batch_size {batch} cannot be shared evenly by {workers} workers",
            fix=f"--train.batch_size {batch + workers - rest}",
        )
    elif micro and share % micro:
        yield UsageError(
            f"train.micro_batch_size {micro} does not divide train.batch_size {batch}"
            + (f", shared by {workers} workers" if workers > 1 else ""),
            fix=f"--train.micro_batch_size {math.gcd(micro, share)}",
        )
    for name, value in plan.train:
        if isinstance(value, float) and not math.isfinite(value):
            yield UsageError(f"train.{name} is not a finite number", value=value, fix=f"--train.{name} NUMBER")
    if plan.train.learning_rate is None:
        yield PluginError(
            f"the method {plan.method.spec.name!r} declares no learning rate", fix="--train.learning_rate 2e-4"
        )


def _learning_rate(plan: Plan) -> Iterator[Finding]:
    """A warning about a rate so far from what suits the method that it is probably a slip of the keyboard."""
    usual, rate = plan.method.spec.defaults.get("learning_rate"), plan.train.learning_rate
    if not usual or not rate:
        return
    usual *= plan.strategy.spec.learning_rate_scale
    if not usual / UNUSUAL < rate < usual * UNUSUAL:
        where = "above" if rate > usual else "below"
        yield Finding(
            "warning",
            f"the learning rate {rate:g} is far {where} the {usual:g} that suits {plan.method.spec.name}",
            f"--train.learning_rate {usual:g}",
        )


def _unheard_rewards(plan: Plan) -> Iterator[Finding]:
    """A warning about reward functions that nobody would ask."""
    is_heard = plan.strategy.spec.needs_rewards or any(choice.spec.needs_rewards for choice in plan.evaluators)
    if plan.rewards and not is_heard:
        yield Finding("warning", "no evaluator of this run looks at its reward functions", "add --evaluators rewards")


def _packages(plan: Plan) -> Iterator[FtcoreError]:
    for choice in plan.choices():
        missing = missing_packages(choice.spec.packages)
        if missing:
            extra = choice.spec.extra or " ".join(missing)
            yield ResourceError(
                f"{choice.spec.name!r} needs the package {', '.join(missing)}, which is not installed",
                fix=f"pip install {extra}",
            )


def _out(plan: Plan) -> Iterator[FtcoreError]:
    if plan.out is None:
        return
    if plan.out.is_dir():
        try:
            require_free(plan.out)
        except ResourceError as error:
            yield error
            return
    if plan.out.exists() and not (plan.out.is_dir() and is_unused(plan.out)):
        if (plan.out / "run.yaml").is_file() and not (plan.out / "report.json").is_file():
            fix = f"ftcore resume {plan.out}, or choose another folder: --out {free(plan.out)}"
        else:
            fix = f"--out {free(plan.out)}"
        yield UsageError(
            "the folder is not empty, and a run never overwrites what is there", where=str(plan.out), fix=fix
        )
    parent = next(folder for folder in plan.out.absolute().parents if folder.exists())
    if not parent.is_dir():
        yield ResourceError(f"{parent.name} is a file, not a folder", where=str(plan.out), fix="--out runs/mine")
    elif not os.access(parent, os.W_OK):
        yield ResourceError("no permission to write there", where=str(plan.out), fix="--out runs/mine")


def fits(
    plan: Plan,
    entry: DataChoice,
    recognised: Recognised,
    manager: PluginManager,
) -> Iterator[FtcoreError]:
    """Refuse data of a kind that the strategy does not learn from, naming the strategies that do.

    Where columns were left unused, the strategy may well suit, and the columns have other names.
    """
    strategy = plan.strategy
    if recognised.example in strategy.spec.examples:
        return
    offers: list[Any] = [offers[0].spec for offers in manager.catalogue("strategy").values()]
    suited = [spec for spec in offers if recognised.example in getattr(spec, "examples", ())]
    others = [spec.name for spec in suited]
    ready = [spec.name for spec in suited if plan.rewards or not spec.needs_rewards]
    more = [f"they suit {', '.join(others)}"] if len(others) > 1 else []
    fix = f"--strategy {ready[0]}" if ready else "ftcore list strategies"
    kind = strategy.spec.examples[0]
    if recognised.unused and (mapping := columns.wanted(kind, recognised.row, entry.settings.columns)):
        more = [f"the columns {', '.join(map(repr, recognised.unused))} were not used"]
        fix = columns.as_flag(mapping) if columns.COLUMN in mapping.values() else _by_name(kind, manager)
    yield DataError(
        f"the strategy {strategy.spec.name!r} learns from {' or '.join(strategy.spec.examples)} examples, "
        f"but these rows are {recognised.example} examples (format {recognised.name})",
        where=label(entry),
        more=more,
        fix=fix,
    )


def _by_name(kind: str, manager: PluginManager) -> str:
    """A format that is named says of a row what is wrong with it, though its columns seem to be right."""
    offers: list[Any] = [offers[0].spec for offers in manager.catalogue("format").values()]
    return f"--data.format {next((spec.name for spec in offers if spec.example == kind), 'NAME')}"


def missing_packages(packages: Sequence[str]) -> list[str]:
    """Those of the import names that are not installed, found without importing them."""
    return [package for package in packages if importlib.util.find_spec(package) is None]
