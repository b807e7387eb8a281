"""Libraries speak through ftcore: their own progress bars, advice and deprecations are kept off the user's terminal.

Errors still come through. `FTCORE_VERBOSE=1` lets everything out, for whoever hunts a bug.
"""

from __future__ import annotations

import logging
import os
import warnings

LOGGERS = ("transformers", "trl", "peft", "datasets", "accelerate", "bitsandbytes", "torch", "huggingface_hub")


def quiet() -> None:
    """Call before the libraries load anything."""
    if os.environ.get("FTCORE_VERBOSE"):
        return
    import datasets
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    datasets.disable_progress_bars()
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for category in (DeprecationWarning, FutureWarning, UserWarning):
        warnings.filterwarnings("ignore", category=category)
