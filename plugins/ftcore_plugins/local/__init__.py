"""Models on this machine: a folder as transformers saves it, or a GGUF file. It downloads nothing."""

from ftcore import LoaderSpec, Ref, hookimpl


@hookimpl
def ftcore_model_loaders():
    yield LoaderSpec(
        name="gguf",
        summary="a GGUF file, unpacked once into a folder and loaded from there",
        argument="path",
        claims=Ref("ftcore_plugins.local.claims:is_gguf_file"),
        config=Ref("ftcore_plugins.local.config:GgufConfig"),
        factory=Ref("ftcore_plugins.local.gguf:Gguf"),
        packages=("gguf",),
        extra="gguf",
    )
    yield LoaderSpec(
        name="folder",
        summary="a folder as transformers saves it: config.json, safetensors, tokenizer",
        argument="path",
        claims=Ref("ftcore_plugins.local.claims:is_folder"),
        config=Ref("ftcore_plugins.local.config:FolderConfig"),
        factory=Ref("ftcore_plugins.local.folder:Folder"),
    )
