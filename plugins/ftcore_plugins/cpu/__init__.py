"""The processor as hardware backend: always there. The front; `backend.py` has the behaviour."""

from ftcore import BackendSpec, Ref, hookimpl


@hookimpl
def ftcore_hardware_backends():
    yield BackendSpec(
        name="cpu",
        summary="the processor; always there",
        config=Ref("ftcore_plugins.cpu.config:CpuConfig"),
        factory=Ref("ftcore_plugins.cpu.backend:Cpu"),
        priority=0,
    )
