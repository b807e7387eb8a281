"""Offers the experiment trackers that transformers already speaks to: TensorBoard, Weights & Biases, MLflow, Trackio.

It deliberately implements nothing: the core hands the names on to transformers (`report_to`), which calls them itself.
"""

from ftcore import Ref, ReporterSpec, hookimpl


def _tracker(name: str, summary: str, callback: str) -> ReporterSpec:
    return ReporterSpec(
        name=name,
        summary=summary,
        integration=name,
        packages=(name,),
        extra=name,
        # Never called by ftcore; it says which class of transformers does the work.
        factory=Ref(f"transformers.integrations:{callback}"),
    )


@hookimpl
def ftcore_reporters():
    yield _tracker("tensorboard", "curves for TensorBoard, written as event files", "TensorBoardCallback")
    yield _tracker("wandb", "curves at Weights & Biases", "WandbCallback")
    yield _tracker("mlflow", "curves at an MLflow server or in a local folder", "MLflowCallback")
    yield _tracker("trackio", "curves in Trackio, kept on this machine unless a space is named", "TrackioCallback")
