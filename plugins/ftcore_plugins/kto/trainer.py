"""TRL's KTOTrainer over rows that are tokenised already, with the method switched off as the reference."""

from typing import Any

from trl import KTOConfig, KTOTrainer

from ftcore_plugins.kto.rows import Judged
from ftcore_plugins.reference.trainer import Referenced


class KtoTrainer(Referenced, KTOTrainer):
    columns = ("ref_logps", "ref_KL_logps")

    def _prepare_dataset(self, dataset: Any, _processing_class: Any, args: KTOConfig, name: str) -> Judged:
        batch = args.per_device_train_batch_size if name == "train" else args.per_device_eval_batch_size
        return Judged(dataset, args.seed, batch, mismatched=self.calculate_KL)
