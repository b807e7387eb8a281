"""The model card: what the artifact is, what it came from, how it was made and how it did.

Metadata follow https://huggingface.co/docs/hub/model-cards. It says only what the run knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import ftcore

if TYPE_CHECKING:
    from ftcore.run.session import Session


def model_card(session: Session, folder: Path) -> str:
    """The text of README.md, for what stands in `folder`."""
    is_peft = "peft_type" in _json(folder / "adapter_config.json")
    parts = [_front_matter(session, is_peft), *_introduction(session), *_usage(session, is_peft)]
    parts += [*_results(session), *_data(session), *_settings(session)]
    return "\n".join(parts).rstrip() + "\n"


def _front_matter(session: Session, is_peft: bool) -> str:
    plan, name = session.plan, session.loader.name()
    is_whole = plan.method.spec.artifact == "model"
    license_of = getattr(session.loader, "license", None)
    values = {
        # The hub refuses a card whose base model is a path.
        "base_model": None if _is_path(name) else name,
        "library_name": "peft" if is_peft else "transformers" if is_whole else None,
        "license": license_of() if license_of else None,
        "pipeline_tag": "text-generation" if plan.strategy.spec.head == "lm" else "text-classification",
        "tags": ["ftcore", plan.method.spec.name, plan.strategy.spec.name],
    }
    known = {key: value for key, value in values.items() if value is not None}
    return f"---\n{yaml.safe_dump(known, sort_keys=False)}---\n"


def _introduction(session: Session) -> Iterator[str]:
    plan, name = session.plan, session.loader.name()
    what = "A model tuned from" if plan.method.spec.artifact == "model" else "An adapter for"
    yield f"# {name.rpartition('/')[2]}, tuned with {plan.method.spec.name} and {plan.strategy.spec.name}\n"
    where = ", a folder on the machine of the run" if _is_path(name) else ""
    yield f"{what} `{_base(name)}`{where}, made by ftcore {ftcore.__version__}.\n"
    origin = getattr(session.loader, "origin", None)
    if origin:
        yield f"It was trained, and the numbers below were measured, on {origin()}.\n"


def _usage(session: Session, is_peft: bool) -> Iterator[str]:
    spec, name = session.plan.method.spec, _base(session.loader.name())
    scores = session.plan.strategy.spec.head == "score"
    kind, more = ("AutoModelForSequenceClassification", ", num_labels=1") if scores else ("AutoModelForCausalLM", "")
    if spec.artifact == "model":
        lines = [f'model = {kind}.from_pretrained("FOLDER")']
    elif is_peft:
        lines = [f'model = {kind}.from_pretrained("{name}"{more})']
        lines += ['model = PeftModel.from_pretrained(model, "FOLDER")']
    else:
        merge = ", or fold it into its base model with `ftcore merge RUN`" if spec.mergeable else ""
        command = "ftcore run --rewards model --rewards.run RUN" if scores else "ftcore chat RUN"
        yield f"Use it with `{command}`{merge}.\n"
        usage = getattr(session.method, "usage", None)
        if usage and not scores:
            yield f"Without ftcore:\n\n```python\n{usage(name).rstrip()}\n```\n"
        return
    yield "```python"
    if is_peft:
        yield "from peft import PeftModel"
    yield f"from transformers import {kind}, AutoTokenizer\n"
    yield from lines
    yield 'tokenizer = AutoTokenizer.from_pretrained("FOLDER")'
    if scores:
        yield "model.config.pad_token_id = tokenizer.pad_token_id  # the score is read at the last other token"
    yield "```\n"


def _results(session: Session) -> Iterator[str]:
    """A table of the metrics, if the session knows them: by `before` and `after`, evaluator, metric."""
    before, after = session.results.get("before", {}), session.results.get("after", {})
    rows = [
        f"| {metric.replace('_', ' ')} | {_number(before, evaluator, metric)} | {_number(after, evaluator, metric)} |"
        for evaluator in {**before, **after}
        for metric in {**_metrics(before, evaluator), **_metrics(after, evaluator)}
    ]
    if rows:
        yield "## Results on held-out rows\n"
        yield "| | before | after |\n|---|---|---|"
        yield from rows
        yield ""


def _metrics(results: Mapping[str, Any], evaluator: str) -> Mapping[str, float]:
    return results[evaluator].metrics if evaluator in results else {}


def _number(results: Mapping[str, Any], evaluator: str, metric: str) -> str:
    value = _metrics(results, evaluator).get(metric)
    return "" if value is None else f"{value:.4g}"


def _data(session: Session) -> Iterator[str]:
    account = session.data.account
    yield "## Data\n"
    for entry in session.plan.data:
        settings = entry.source.dump()
        argument = settings.get(entry.source.spec.argument or "")
        texts = argument if isinstance(argument, list) else [argument] if argument else []
        names = ", ".join(f"`{_local(text)}`" for text in texts)
        yield f"- {entry.source.spec.name}: {names or entry.source.spec.summary}"
    seen = session.rows_seen
    rows = f"{seen} rows" if seen == account["trained"] else f"{seen} of {account['trained']} rows"
    yield f"\nTrained on {rows}; {account['heldout']} were held out.\n"


def _settings(session: Session) -> Iterator[str]:
    plan = session.plan
    yield "## Settings\n"
    yield "| setting | value |\n|---|---|"
    for section, values in (
        ("method", plan.method.dump()),
        ("strategy", plan.strategy.dump()),
        ("train", plan.train.model_dump(mode="json")),
    ):
        yield from (f"| {section}.{key} | {_cell(value)} |" for key, value in values.items() if value is not None)
    yield f"| precision | {plan.precision.autocast or plan.precision.weights} |"


def _cell(value: Any) -> str:
    text = _local(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("|", "\\|")


def _is_path(name: str) -> bool:
    return name.startswith((".", "/"))


def _base(name: str) -> str:
    """The base model's name; of one that is a folder its last part, since readers have it elsewhere."""
    return f"./{name.rpartition('/')[2]}" if _is_path(name) else name


def _local(text: Any) -> str:
    """A path without the folders of the machine that it is on."""
    return re.sub(r"^(~[\w.-]*|[A-Za-z]:)?[/\\](.*[/\\])?", "", str(text))


def _json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
