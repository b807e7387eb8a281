"""A GPU through CUDA (or ROCm, which torch calls by the same name) as hardware backend. The front; `backend.py` has the
behaviour."""

from ftcore import BackendSpec, Ref, hookimpl


@hookimpl
def ftcore_hardware_backends():
    yield BackendSpec(
        name="cuda",
        summary="one NVIDIA or AMD GPU",
        config=Ref("ftcore_plugins.cuda.config:CudaConfig"),
        factory=Ref("ftcore_plugins.cuda.backend:Cuda"),
        priority=20,
    )
