"""What authors of plugins test with: contract classes to inherit, and tiny models made in memory.

    from ftcore.testing.methods import MethodContract

    class TestBias(MethodContract):
        name = "bias"

Nothing is imported here, so that naming one contract does not load what another needs.
"""

import sys
from pathlib import Path

if "pytest" in sys.modules:
    # A promise that is not kept then shows the values at fault, as in a test of one's own.
    names = [f"{__name__}.{path.stem}" for path in Path(__file__).parent.glob("[a-z]*.py")]
    sys.modules["pytest"].register_assert_rewrite(*names)
