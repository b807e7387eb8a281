"""`chat`, `merge` and `report`: what to do with the result of a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import click

from ftcore.errors import UsageError


class RunFolder(click.Path):
    """The folder of a run. What is another is refused, with the folder that was probably meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        from ftcore.line import options
        from ftcore.run.finished import no_run
        from ftcore.run.folder import require_no_links

        folder = Path(value)
        if not (folder / "run.yaml").is_file():
            raise no_run(folder, options.manager(), ctx.command_path if ctx else "")
        require_no_links(folder)
        return folder


@click.command
@click.argument("folder", metavar="RUN", type=RunFolder())
@click.option("--prompt", metavar="TEXT", help="Answer this one message and end.")
@click.option("--system", metavar="TEXT", help="A system message. Left out: the one of all training rows.")
@click.option("--max-new-tokens", default=256, show_default=True, help="Longest answer in tokens.")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="0 always takes the likeliest token.",
)
def chat(folder: Path, prompt: str | None, system: str | None, max_new_tokens: int, temperature: float) -> None:
    """Talk to the model of the finished run in the folder RUN. An empty line ends the conversation."""
    from ftcore.line import options
    from ftcore.run.folder import read_json
    from ftcore.run.reload import reload

    tuned = reload(folder, options.manager(), head="lm")
    if system is None:
        system = read_json(folder / "data.json").get("system")
        if system and prompt is None:
            click.echo(click.style(f"system> {system}", dim=True), err=True)
    messages = [{"role": "system", "content": system}] if system else []
    while True:
        text = prompt if prompt is not None else click.prompt("you", default="", show_default=False, prompt_suffix="> ")
        if not text.strip():
            return
        messages.append({"role": "user", "content": text})
        answer = _answer(tuned, messages, max_new_tokens, temperature, stream=prompt is None)
        messages.append({"role": "assistant", "content": answer})
        if prompt is not None:
            click.echo(answer)
            return


def _answer(tuned: Any, messages: list[dict[str, str]], limit: int, temperature: float, stream: bool) -> str:
    import torch
    from transformers import TextStreamer

    tokenizer = tuned.tokenizer
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    sampling = {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}
    streamer = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True) if stream else None
    with torch.inference_mode():
        output = tuned.model.generate(
            **inputs.to(tuned.model.device),
            max_new_tokens=limit,
            pad_token_id=tokenizer.pad_token_id,
            streamer=streamer,
            **sampling,
        )
    text: str = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return text.strip()


@click.command
@click.argument("folder", metavar="RUN", type=RunFolder())
@click.option(
    "--out", metavar="DIR", type=click.Path(path_type=Path), help="Where the model goes. Left out: RUN/merged."
)
@click.option("--dtype", default="float32", show_default=True, help="How the weights are held: float32, bfloat16 …")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def merge(folder: Path, out: Path | None, dtype: str, as_json: bool) -> None:
    """Fold the adapter of the finished run RUN into its base model, giving a plain model for any engine.

    The merge is done in full precision and compared with the adapter before anything is written.
    """
    from ftcore.line import options
    from ftcore.run.merge import merge as fold

    target = out or folder / "merged"
    if target.exists():
        raise UsageError("the folder is there already", where=str(target), fix=f"--out {target}-2")
    try:
        difference = fold(folder, target, options.manager(), dtype)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    if as_json:
        click.echo(json.dumps({"folder": str(target), "largest_difference": difference}))
    else:
        click.echo(f"merged into {target}; the logits differ by at most {difference:.2g} from the adapter's")


@click.command
@click.argument("folder", metavar="RUN", type=RunFolder())
@click.option("--json", "as_json", is_flag=True, help="Print report.json.")
def report(folder: Path, as_json: bool) -> None:
    """Show the result of the finished run RUN again, and write its report.html anew."""
    from ftcore.line import options
    from ftcore.run.execute import tell_again
    from ftcore.run.folder import read_json

    if not (folder / "report.json").is_file():
        raise UsageError("the run is not finished", where=str(folder), fix=f"ftcore resume {folder}")
    if as_json:
        click.echo(json.dumps(read_json(folder / "report.json"), indent=2))
    else:
        tell_again(folder, options.manager())
