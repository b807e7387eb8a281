"""The contract of exporters: what is written is complete, safe to open, and gives the same answers when read back.

    from ftcore.testing.exporters import ExporterContract

    class TestFlat(ExporterContract):
        name = "flat"

An adapter and a whole model are both exported; both must come back the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ftcore.protocols import Exporter
from ftcore.run.session import Session
from ftcore.testing.contract import replaceable
from ftcore.testing.probes import logits, plain_logits, train
from ftcore.testing.runs import RunContract, session

TEXTS = {".json", ".md", ".jinja", ".txt", ".model"}
"""Beside safetensors, an artifact is made of these."""


class ExporterContract(RunContract):
    """Inherit, give the exporter's `name` and `settings`, and let pytest collect the rest.

    An exporter whose files are read by something else than transformers and PEFT overrides `answers`.
    """

    kind = "exporter"
    tolerance: ClassVar[float] = 1e-5
    """How far a logit may be from the trained model's."""

    @classmethod
    def build(cls) -> Exporter:
        exporter = super().build()
        assert isinstance(exporter, Exporter)
        return exporter

    @replaceable
    def answers(self, folder: Path, ready: Session) -> Any:
        """The logits that what was written gives on `ftcore.testing.probes.batch()`."""
        if ready.plan.method.spec.artifact == "model":
            return plain_logits(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32))
        from peft import PeftModel

        base = ready.loader.model(dtype=torch.float32)
        return plain_logits(PeftModel.from_pretrained(base, folder))

    @pytest.fixture(scope="class", params=["lora", "full"])
    def exported(
        self, request: pytest.FixtureRequest, base_folder: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[Session, Path, list[str]]:
        """A trained session, the folder that was exported into, and the names that were returned.

        Once for an adapter, once for a whole model.
        """
        folder = tmp_path_factory.mktemp("exported")
        plan = self.plan(base_folder, tmp_path_factory.mktemp("run"), method=request.param, exporter=self.itself())
        ready = session(plan, self.manager())
        train(ready.model, steps=2)
        return ready, folder, list(self.build().export(ready, folder))

    def test_it_names_what_it_wrote(self, exported: tuple[Session, Path, list[str]]) -> None:
        _, folder, names = exported
        written = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        assert sorted(names) == written, f"returned were {sorted(names)}, written {written}"

    def test_it_writes_safetensors_and_text_and_no_pickle(self, exported: tuple[Session, Path, list[str]]) -> None:
        _, folder, _ = exported
        written = [path for path in folder.rglob("*") if path.is_file()]
        assert any(path.suffix == ".safetensors" for path in written), "tensors are written as safetensors"
        others = [path for path in written if path.suffix != ".safetensors"]
        unsafe = [path.name for path in others if path.suffix not in TEXTS]
        assert not unsafe, f"these may hold anything: {', '.join(unsafe)}"
        for path in others:
            path.read_text(encoding="utf-8")

    def test_every_tensor_is_finite(self, exported: tuple[Session, Path, list[str]]) -> None:
        from safetensors.torch import load_file

        _, folder, _ = exported
        for path in folder.rglob("*.safetensors"):
            for name, tensor in load_file(path).items():
                assert torch.isfinite(tensor.float()).all(), f"{name} in {path.name} is not finite"

    def test_read_back_it_gives_the_same_answers(self, exported: tuple[Session, Path, list[str]]) -> None:
        ready, folder, _ = exported
        torch.testing.assert_close(self.answers(folder, ready), logits(ready.model), rtol=0, atol=self.tolerance)

    def test_the_tokenizer_stands_beside_the_weights(self, exported: tuple[Session, Path, list[str]]) -> None:
        ready, folder, _ = exported
        text = "say a1, please"
        again = AutoTokenizer.from_pretrained(folder)
        assert again(text)["input_ids"] == ready.tokenizer(text)["input_ids"]
        assert again.chat_template == ready.tokenizer.chat_template
