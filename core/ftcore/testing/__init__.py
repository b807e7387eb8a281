"""What authors of plugins test with: contract classes to inherit, and tiny models made in memory.

    from ftcore.testing.methods import MethodContract

    class TestBias(MethodContract):
        name = "bias"

Nothing is imported here, so that naming one contract does not load what another needs.
"""
