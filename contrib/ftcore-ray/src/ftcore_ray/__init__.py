"""Ray Train as hardware backend: one run on several workers, here or on many machines. The front; `backend.py` has the
behaviour."""

from ftcore import BackendSpec, Ref, hookimpl


@hookimpl
def ftcore_hardware_backends():
    yield BackendSpec(
        name="ray",
        summary="several workers through Ray Train, on one machine or many",
        config=Ref("ftcore_ray.config:RayConfig"),
        factory=Ref("ftcore_ray.backend:RayTrain"),
        packages=("ray",),
        extra="ftcore-ray",
        priority=-10,  # below the processor: a run is spread only when that is asked for
    )
