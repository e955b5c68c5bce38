"""
Measure how long commands take to start: CPU seconds of a process, next to importing the libraries that it cannot do without.

    python -m benchmarks.start_up [--rounds 5] [--checkout FOLDER]...

The commands take turns round by round, so that a machine whose speed drifts is the same for all; the median is reported. Each
`--checkout` is measured too, in the same run: that of an earlier commit, for example.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

COMMANDS: Dict[str, List[str]] = {
    "torch": ["-c", "import torch"],
    "torch_spacy": ["-c", "import torch, spacy"],
    "import_allennlp": ["-c", "import allennlp"],
    "import_allennlp_graphmask": ["-c", "import allennlp_graphmask"],
    "help": ["-m", "allennlp", "--help"],
    "explain": ["-m", "allennlp", "explain", "pretrained:propbank-srl", "--text", "The cat sat on the mat."],
}
#: The ratios that are reported: a command, what it is compared with.
RATIOS = [
    ("explain", "torch_spacy"),
    ("help", "torch"),
    ("import_allennlp_graphmask", "import_allennlp"),
]


def measure(command: List[str], checkout: Path) -> float:
    """CPU seconds of one process of this interpreter, with the code of a checkout, compiled as pip leaves it."""
    # Empty is off: a checkout would be compiled again by each process, and the libraries would not.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, capture_output=True, env=environment, cwd=os.path.sep)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--checkout", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    checkouts = [Path(__file__).resolve().parents[1], *arguments.checkout]
    seconds: Dict[Path, Dict[str, List[float]]] = {checkout: {name: [] for name in COMMANDS} for checkout in checkouts}
    for number in range(arguments.rounds + 1):
        for checkout, times in seconds.items():
            for name, command in COMMANDS.items():
                taken = measure(command, checkout)
                if number:  # the first round warms the disk's cache
                    times[name].append(taken)
    for checkout, times in seconds.items():
        median = {name: statistics.median(values) for name, values in times.items()}
        result = {
            "checkout": checkout.name,
            "rounds": arguments.rounds,
            "cpu_seconds": {name: round(value, 2) for name, value in median.items()},
            "ratios": {f"{name}/{base}": round(median[name] / median[base], 2) for name, base in RATIOS},
        }
        sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
