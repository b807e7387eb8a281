"""Two small tasks as a user would write them for the harness, with questions in local files."""

import json
from pathlib import Path

# Choices are equally long: a model that knows nothing likes the shortest.
QUESTIONS = [
    {"question": "The sky is", "choices": ["blue", "flat"], "answer": 0},
    {"question": "Grass is", "choices": ["eager", "green"], "answer": 1},
    {"question": "Snow is", "choices": ["white", "flown", "angry"], "answer": 0},
]
SUMS = [{"question": f"{n} + {n}", "answer": str(2 * n)} for n in range(3)]

CHOICE = """
task: local_colours
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_choice: choices
doc_to_target: answer
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
"""
WRITTEN = """
task: local_sums
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
output_type: generate_until
test_split: test
doc_to_text: "{{{{question}}}} ="
doc_to_target: answer
generation_kwargs: {{max_gen_toks: 3, until: ["\\n"]}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
"""


def write_tasks(folder: Path) -> Path:
    for name, task, rows in (("colours", CHOICE, QUESTIONS), ("sums", WRITTEN, SUMS)):
        file = folder / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / f"{name}.yaml").write_text(task.format(file=file))
    return folder
