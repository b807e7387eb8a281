"""Keeps what the harness caches out of the user's folders, and asks nothing of the network."""

import os
import tempfile

os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp()
os.environ["HF_HUB_OFFLINE"] = "1"
