"""Every built-in alignment strategy keeps the contract of alignment strategies."""

# ruff: noqa: RUF012 - settings are read, never changed

from ftcore.testing.strategies import StrategyContract


class TestSft(StrategyContract):
    name = "sft"


class TestSftPacked(StrategyContract):
    name = "sft"
    settings = {"packing": True, "loss": "dft"}
    run_file = {"train": {"batch_size": 1}}


class TestDpo(StrategyContract):
    name = "dpo"


class TestDpoThatImitatesToo(StrategyContract):
    name = "dpo"
    method = "full"
    settings = {"loss": "ipo", "imitation": 0.2}


class TestKto(StrategyContract):
    name = "kto"


class TestOrpo(StrategyContract):
    name = "orpo"


class TestSimpo(StrategyContract):
    name = "simpo"


class TestCpo(StrategyContract):
    name = "cpo"


class TestReward(StrategyContract):
    name = "reward"
    settings = {"center": 0.01}


class TestPpo(StrategyContract):
    name = "ppo"
    settings = {"max_new_tokens": 6, "minibatches": 2, "passes": 2, "kl_target": 0.1}
    run_file = {"rewards": [{"name": "length", "target": 3}], "train": {"micro_batch_size": 2}}


class TestPpoOfTheWholeModel(StrategyContract):
    name = "ppo"
    method = "full"
    settings = {"max_new_tokens": 4, "passes": 1, "temperature": 0.8, "top_p": 0.9, "missing_eos_penalty": 1}
    run_file = {"rewards": [{"name": "length", "target": 3}]}


class TestGrpo(StrategyContract):
    name = "grpo"
    settings = {"max_new_tokens": 6, "generations": 4, "beta": 0.1}
    run_file = {"rewards": [{"name": "length", "target": 9}], "train": {"micro_batch_size": 2}}


class TestGrpoThatIsStoppedBetweenTwoGenerations(StrategyContract):
    name = "grpo"
    method = "full"
    settings = {"max_new_tokens": 4, "generations": 3, "steps_per_generation": 3, "beta": 0.1, "top_p": 0.9}
    run_file = {"rewards": [{"name": "length", "target": 9}], "checkpoints": {"every": 2}}


class TestRloo(StrategyContract):
    name = "rloo"
    settings = {"max_new_tokens": 4, "generations": 4, "steps_per_generation": 3, "beta": 0.1}
    run_file = {"rewards": [{"name": "length", "target": 9}]}


class TestOnlineDpo(StrategyContract):
    name = "online-dpo"
    settings = {"max_new_tokens": 6}
    run_file = {"rewards": [{"name": "length", "target": 9}], "train": {"micro_batch_size": 2}}


class TestOnlineDpoOfTheWholeModel(StrategyContract):
    name = "online-dpo"
    method = "full"
    settings = {"max_new_tokens": 4, "generations": 3, "loss": "ipo", "top_p": 0.9, "missing_eos_penalty": 1}
    run_file = {"rewards": [{"name": "length", "target": 9}]}
