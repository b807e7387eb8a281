"""Rows from files on this machine: JSON, JSON Lines, CSV, TSV, Parquet and plain text. It downloads nothing."""

from ftcore import Ref, SourceSpec, hookimpl


@hookimpl
def ftcore_dataset_sources():
    yield SourceSpec(
        name="files",
        summary="files, folders and globs of json, jsonl, csv, tsv, parquet and txt, also gzipped",
        argument="path",
        claims=Ref("ftcore_plugins.files.names:is_data_path"),
        config=Ref("ftcore_plugins.files.config:FilesConfig"),
        factory=Ref("ftcore_plugins.files.source:Files"),
    )
