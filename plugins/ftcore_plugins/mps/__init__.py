"""The GPU of an Apple computer as hardware backend. The front; `backend.py` has the behaviour."""

from ftcore import BackendSpec, Ref, hookimpl


@hookimpl
def ftcore_hardware_backends():
    yield BackendSpec(
        name="mps",
        summary="the GPU of an Apple computer",
        config=Ref("ftcore_plugins.mps.config:MpsConfig"),
        factory=Ref("ftcore_plugins.mps.backend:Mps"),
        priority=10,
    )
