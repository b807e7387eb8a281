"""What ftcore promises its users of every hardware backend, and what a plan says of this one."""

import pytest

from ftcore.testing.backends import BackendContract
from ftcore_ray.backend import RayTrain
from ftcore_ray.config import RayConfig


class TestRayTrain(BackendContract):
    name = "ray"


def test_without_ray_it_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    found = RayTrain(RayConfig()).probe()
    assert not found.available
    assert found.reason == "the package ray is not installed"


def test_what_is_probed_follows_from_the_settings():
    found = RayTrain(RayConfig(workers=4, cpus_per_worker=3)).probe()
    assert found.devices == ("Ray on this machine, 4 workers, processors each: 3",)
    assert "fp16" not in found.capabilities
    found = RayTrain(RayConfig(workers=8, use_gpu=True, address="auto")).probe()
    assert found.devices == ("Ray at auto, 8 workers, a GPU each",)
    assert "fp16" in found.capabilities


@pytest.mark.parametrize(
    ("settings", "trains_base", "weights", "autocast"),
    [
        ({}, False, "float32", None),
        ({"use_gpu": True}, False, "bfloat16", None),
        ({"use_gpu": True}, True, "float32", "bfloat16"),
        ({"use_gpu": True, "precision": "fp16"}, False, "float32", "float16"),
    ],
)
def test_the_precision_suits_the_workers(settings: dict, trains_base: bool, weights: str, autocast: str | None):
    precision = RayTrain(RayConfig(**settings)).precision(trains_base)
    assert (precision.weights, precision.autocast) == (weights, autocast)


def test_it_is_never_taken_unasked(ftcore):
    code, printed = ftcore("plan", "--model", "tiny", "--data", "rows.jsonl", "--method", "lora")
    assert code == 0
    assert "Ray" not in printed


def test_a_batch_that_cannot_be_shared_is_refused_on_the_plan(ftcore):
    line = ["plan", "--model", "tiny", "--data", "rows.jsonl", "--method", "lora", "--backend", "ray"]
    code, printed = ftcore(*line, "--backend.workers", 3)
    assert code == 2
    assert "train.batch_size 8 cannot be shared evenly by 3 workers" in printed
    code, printed = ftcore(*line)
    assert code == 0
    assert "Ray on this machine, 2 workers" in printed
