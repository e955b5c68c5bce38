"""
Runs real `allennlp` commands: each in a process of its own, in an empty folder, on tiny data made here, with AllenNLP's own
tagger, so that nothing of this package but the compatibility layer takes part.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

SECONDS_PER_COMMAND = 600


def run_python(*arguments: str, folder: Path, expected_status: int = 0, **environment: str) -> str:
    """Run this interpreter in `folder`, with the code of this checkout (`tests/conftest.py`). Return what it printed."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "ALLENNLP_GRAPHMASK_COMPAT" and not name.startswith("PYTEST_XDIST")
    }
    offline = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**inherited, **offline, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS_PER_COMMAND,
        check=False,
    )
    assert finished.returncode == expected_status, (
        f"python {' '.join(arguments)} ended with status {finished.returncode}:\n{finished.stdout}"
    )
    return finished.stdout


def run_allennlp(*arguments: str, folder: Path, **options: Any) -> str:
    """Run the script `allennlp` that is installed beside this interpreter."""
    script = Path(sys.executable).with_name("allennlp")
    assert script.exists(), (
        f"{script} does not exist: install AllenNLP (make install, or the pip lines of README.md) in the "
        "environment that runs the tests."
    )
    return run_python(str(script), *arguments, folder=folder, **options)


def write_tagging_data(folder: Path) -> None:
    """Write `train.txt` and `dev.txt` for AllenNLP's reader `sequence_tagging`."""
    generator = random.Random(1)
    tags = {"dog": "N", "cat": "N", "sees": "V", "hears": "V", "the": "D", "a": "D"}
    for name, num_sentences in [("train.txt", 24), ("dev.txt", 8)]:
        sentences = [generator.choices(sorted(tags), k=generator.randint(2, 6)) for _ in range(num_sentences)]
        lines = ["\t".join(f"{word}###{tags[word]}" for word in sentence) for sentence in sentences]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def tagger_config(num_epochs: int, **trainer: Any) -> dict[str, Any]:
    """A tiny tagger with AllenNLP's own classes."""
    return {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": "train.txt",
        "validation_data_path": "dev.txt",
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
            "encoder": {"type": "lstm", "input_size": 8, "hidden_size": 8},
        },
        "data_loader": {"batch_size": 8, "shuffle": True},
        "trainer": {
            "num_epochs": num_epochs,
            "optimizer": {"type": "adam", "lr": 0.1},
            "validation_metric": "+accuracy",
            **trainer,
        },
    }


def write_config(folder: Path, config: dict[str, Any]) -> None:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
