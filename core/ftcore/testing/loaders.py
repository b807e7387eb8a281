"""The contract of model loaders: a tokenizer and a model that belong together, the same ones each time.

    from ftcore.testing.loaders import LoaderContract

    class TestBucket(LoaderContract):
        name = "bucket"
        settings = {"key": "tiny"}

The model should be small: it is loaded twice. A test can make one with `prepare` and `ftcore.testing.tiny.save_tiny`.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from ftcore.protocols import ModelLoader
from ftcore.specs import LoaderSpec
from ftcore.testing.contract import ReferredContract

TEXT = "Two large lattes for Søren, to go: 1.5 l each."


class LoaderContract(ReferredContract):
    """Inherit, give the loader's `name` and `settings`, and let pytest collect the rest."""

    kind = "model"
    lossless: ClassVar[bool] = True
    """Whether the tokenizer gives every text back as it was. Some old ones change spaces or case."""

    @classmethod
    def spec(cls) -> LoaderSpec:
        spec = super().spec()
        assert isinstance(spec, LoaderSpec)
        return spec

    @classmethod
    def build(cls) -> ModelLoader:
        loader = super().build()
        assert isinstance(loader, ModelLoader)
        return loader

    def test_nothing_speaks_against_the_model(self) -> None:
        errors = [finding.message for finding in self.build().findings() if finding.level == "error"]
        assert not errors, errors

    def test_the_name_and_the_fingerprint_stay(self) -> None:
        first, second = self.build(), self.build()
        assert isinstance(first.name(), str)
        assert isinstance(first.fingerprint(), str)
        assert first.name(), "others load the model by its name"
        assert first.fingerprint(), "a resumed run compares fingerprints"
        assert second.name() == first.name(), "built anew, the loader has another name for the model"
        assert second.fingerprint() == first.fingerprint(), "built anew, the loader has another fingerprint"

    def test_the_tokenizer_gives_back_what_it_was_given(self) -> None:
        tokenizer = self.build().tokenizer()
        ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
        assert ids
        assert not self.lossless or tokenizer.decode(ids) == TEXT, f"it gives back {tokenizer.decode(ids)!r}"

    def test_model_and_tokenizer_belong_together(self) -> None:
        loader = self.build()
        ids = torch.tensor([loader.tokenizer()(TEXT)["input_ids"]])
        model = loader.model(dtype=torch.float32)
        assert int(ids.max()) < model.get_input_embeddings().num_embeddings, "a token has no embedding"
        with torch.no_grad():
            logits_BTV = model(ids).logits
        assert logits_BTV.shape[:2] == ids.shape
        assert torch.isfinite(logits_BTV).all()

    def test_options_are_handed_on_and_the_weights_are_the_same_each_time(self) -> None:
        """The method and the backend decide on dtype, quantisation and device."""
        options = {"dtype": torch.bfloat16, "device_map": {"": "cpu"}}
        first, second = self.build().model(**options), self.build().model(**options)
        assert next(first.parameters()).dtype == torch.bfloat16, "asked for bfloat16, it gives another dtype"
        weights = dict(second.named_parameters())
        same = all(torch.equal(tensor, weights[name]) for name, tensor in first.named_parameters())
        assert same, "built anew, the loader gives other weights"
        assert not getattr(first, "hf_quantizer", None), "a model that is quantised cannot be saved as what it is"
