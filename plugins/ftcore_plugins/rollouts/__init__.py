"""What strategies share that learn from answers of their own: how they are written, rewarded and kept.

config.py        the settings of writing
prompts.py       the prompts of a run, and what the Trainer shuffles in their place
rewarding.py     what the reward functions say of a step's answers
reference.py     the model as it was before training
completions.py   completions.jsonl, every answer with its rewards
trainer.py       for strategies of our own: a transformers Trainer whose steps are rollouts
findings.py      what their plans have in common
"""
