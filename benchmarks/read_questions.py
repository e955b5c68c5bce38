"""
Measure how fast questions are read, and in how much memory.

    python -m benchmarks.read_questions $GRAPHMASK_DATA/qa_wikihop_format/redocred_train.json.xz

The file is read by the reader `wikihop`, coreference included, and questions per CPU second are measured: of reading alone, and of
reading, indexing and batching as in training. Then files of two sizes, the second ten times as large, are made of its questions,
and each is read by a process of its own, which prints its peak memory before and after. One line of JSON is written.
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import Any, Dict

import torch
from allennlp.data import Vocabulary
from allennlp.data.data_loaders import SimpleDataLoader

from allennlp_graphmask.data.coreference import AnnotatedCoreference
from allennlp_graphmask.data.dataset_readers.multihop_qa import WikiHopReader, read_json_objects


def peak_megabytes() -> float:
    """Return the most memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():
        # What `getrusage` tells on Linux includes the process that started this one.
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024 / 1e6  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def write_questions(source: str, path: Path, megabytes: float) -> None:
    """Repeats the questions of a file until there are as many megabytes of them."""
    questions = [json.dumps(found.content) for found in read_json_objects(source)]
    written = 0
    with open(path, "w") as file:
        file.write("[")
        for number, question in enumerate(cycle(questions)):
            written += file.write(question if number == 0 else f", {question}")
            if written >= megabytes * 1e6:
                break
        file.write("]")


def memory_of_reading(path: str) -> Dict[str, Any]:
    before = peak_megabytes()
    num_questions = sum(1 for _ in WikiHopReader(coreference=AnnotatedCoreference()).read(path))
    return {
        "megabytes": round(Path(path).stat().st_size / 1e6, 1),
        "questions": num_questions,
        "peak_megabytes_before": round(before, 1),
        "peak_megabytes": round(peak_megabytes(), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="questions in WikiHop's format")
    parser.add_argument("--megabytes", type=float, default=20, help="size of the smaller of the two files")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--memory-only", action="store_true", help="read the file and print the peak memory")
    arguments = parser.parse_args()
    if arguments.memory_only:
        sys.stdout.write(json.dumps(memory_of_reading(arguments.file)) + "\n")
        return

    reader = WikiHopReader(coreference=AnnotatedCoreference())
    start = time.process_time()
    instances = list(reader.read(arguments.file))
    reading = time.process_time() - start
    for instance in instances:
        reader.apply_token_indexers(instance)
    vocabulary = Vocabulary.from_instances(instances)
    loader = SimpleDataLoader(instances, arguments.batch_size, vocab=vocabulary)
    start = time.process_time()
    for instance in instances:
        instance.index_fields(vocabulary)
    for _ in loader:
        pass
    batching = time.process_time() - start

    memory = []
    with tempfile.TemporaryDirectory() as folder:
        for factor in (1, 10):
            path = Path(folder) / "questions.json"
            write_questions(arguments.file, path, factor * arguments.megabytes)
            command = [sys.executable, "-m", "benchmarks.read_questions", "--memory-only", str(path)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            memory.append(json.loads(output.splitlines()[-1]))
    result = {
        "questions": len(instances),
        "threads": torch.get_num_threads(),
        "nodes_per_question": round(sum(len(one["graph"]) for one in instances) / len(instances), 1),
        "read_per_cpu_second": round(len(instances) / reading, 1),
        "read_and_batched_per_cpu_second": round(len(instances) / (reading + batching), 1),
        "memory": memory,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
