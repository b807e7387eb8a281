"""The LoRA family beyond LoRA itself, as PEFT has it: one table, `table.py`, and one class for all of its rows."""

from ftcore import MethodSpec, Ref, hookimpl
from ftcore_plugins.lora_family.table import ROWS


@hookimpl
def ftcore_tuning_methods():
    for row in ROWS.values():
        yield MethodSpec(
            name=row.name,
            summary=row.summary,
            config=Ref(f"ftcore_plugins.lora_family.config:{row.name}"),
            factory=Ref(row.factory),
            heads=("lm", "score"),
            packages=("peft",),
            defaults={"learning_rate": row.learning_rate},
        )
