"""The plugins that come with ftcore. Each is loaded through the same hooks that a third party uses."""

PLUGINS = (
    "ftcore_plugins.local",
    "ftcore_plugins.hub",
    "ftcore_plugins.demo",
    "ftcore_plugins.files",
    "ftcore_plugins.formats",
    "ftcore_plugins.full",
    "ftcore_plugins.freeze",
    "ftcore_plugins.lora",
    "ftcore_plugins.qlora",
    "ftcore_plugins.sft",
    "ftcore_plugins.cpu",
    "ftcore_plugins.cuda",
    "ftcore_plugins.mps",
    "ftcore_plugins.evaluation",
    "ftcore_plugins.safetensors",
    "ftcore_plugins.console",
    "ftcore_plugins.metrics",
    "ftcore_plugins.html",
    "ftcore_plugins.trackers",
)
