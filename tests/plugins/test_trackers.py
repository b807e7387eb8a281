"""The trackers are records only; what they name must exist in transformers under that name."""

from pathlib import Path

from ftcore.loading.front import check_hooks
from ftcore.specs import ReporterSpec
from ftcore_plugins import trackers
from tests.conftest import Terminal


def specs() -> dict[str, ReporterSpec]:
    return {spec.name: spec for spec in trackers.ftcore_reporters()}


def test_the_front_is_a_sound_plugin():
    check_hooks(trackers)
    assert sorted(specs()) == ["mlflow", "tensorboard", "trackio", "wandb"]


def test_each_names_an_integration_that_transformers_has_and_the_class_behind_it():
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for spec in specs().values():
        assert spec.integration == spec.name
        assert INTEGRATION_TO_CALLBACK[spec.integration] is spec.factory.load()


def test_each_says_what_it_needs_and_how_to_get_it():
    for spec in specs().values():
        assert spec.packages == (spec.name,)
        assert spec.extra == spec.name


def test_tensorboard_gets_the_curves_in_the_run_folder(ftcore: Terminal, tiny: Path, rows: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = ftcore(
        "run", "--model", tiny, "--data", rows, "--train.steps", 2, "--evaluators", "none", "--out", "run",
        "--reporters", "tensorboard",
    )  # fmt: skip
    assert result.code == 0, result.err
    [events] = Path("run").rglob("events.out.tfevents.*")
    curves = EventAccumulator(str(events)).Reload()
    assert [point.step for point in curves.Scalars("train/loss")] == [1, 2]
