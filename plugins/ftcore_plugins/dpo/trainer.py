"""TRL's DPOTrainer over rows that are tokenised already, with the method switched off as the reference."""

from trl import DPOTrainer

from ftcore_plugins.reference.trainer import Referenced


class DpoTrainer(Referenced, DPOTrainer):
    columns = ("ref_chosen_logps", "ref_rejected_logps")
