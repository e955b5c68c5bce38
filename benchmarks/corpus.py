"""
Measure `allennlp explain-corpus` on sentences of EWT, as raw text, beside `allennlp explain`.

    GRAPHMASK_DATA=... python -m benchmarks.corpus [--sentences 10000] [--actors 1 2] [--kills 6] [--folder FOLDER]

For each number of actors: whether the rows are those of `explain` (decisions, and the largest difference of a score), the inputs a
second while it explains (wall clock, without the start, which a run of one sentence takes), and the largest memory of the driver, also
for twice the input. Then a run is killed at random moments, a worker and the driver in turn, and continued until it is complete; its
files must be those of an undisturbed run. `hours_for_a_million` multiplies the rate of an actor out to a million inputs, and
`passed_over_a_second` is how many inputs a second a worker counts, or passes over, in lines of text and in CoNLL-2009. Needs a machine
that does nothing else. Writes JSON to standard output.
"""

import argparse
import dataclasses
import json
import lzma
import os
import random
import subprocess
import sys
import tempfile
import time
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, Dict, Iterator, List

import numpy
from allennlp.common.plugins import import_plugins
from allennlp.predictors import Predictor

from allennlp_graphmask.explanation import read_explanations
from allennlp_graphmask.predictors import ExplainingPredictor
from allennlp_graphmask.predictors.records import open_source
from tests.corpus.processes import find_workers, kill, start

ARCHIVE = "pretrained:propbank-srl"
MILLION = 1_000_000
_CLOSE = 1e-5


@dataclasses.dataclass(frozen=True)
class Run:
    """The seconds of a command, and the largest resident memory of its first process in megabytes."""

    seconds: float
    megabytes: float


def read_sentences() -> Iterator[str]:
    """Yield the sentences of EWT's training part, words with blanks between them."""
    words: List[str] = []
    with lzma.open(Path(os.environ["GRAPHMASK_DATA"], "propbank_ewt", "ewt_train.conll09.xz"), "rt") as lines:
        for line in lines:
            if line.strip():
                words.append(line.split("\t")[1])
            elif words:
                yield " ".join(words)
                words = []


def write_sentences(path: Path, number: int) -> None:
    """Write as many sentences, from the beginning again where there are no more."""
    sentences = list(islice(read_sentences(), number))
    with open(path, "w", encoding="utf-8") as file:
        for position in range(number):
            file.write(sentences[position % len(sentences)] + "\n")


def measure(running: "subprocess.Popen[str]") -> Run:
    began, largest = time.monotonic(), 0.0
    while running.poll() is None:
        status = Path(f"/proc/{running.pid}/status").read_text()
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        largest = max([largest, *(int(kilobytes) / 1000 for kilobytes in found)])
        time.sleep(0.2)
    assert running.returncode == 0, f"exit status {running.returncode}"
    return Run(round(time.monotonic() - began, 1), round(largest, 1))


def explain(folder: Path, name: str) -> Run:
    command = [sys.executable, "-m", "allennlp", "explain", ARCHIVE, name, "-o", "explained.parquet", "--force"]
    with open(folder / "log.txt", "a", encoding="utf-8") as log:
        return measure(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, text=True))


def arguments(name: str, output: str, actors: int, rows: int) -> List[object]:
    return [ARCHIVE, name, "-o", output, "--actors", actors, "--rows-per-shard", rows]


def compare(first: Path, second: Path) -> Dict[str, Any]:
    """
    Return how many explanations there are, how many differ in their input or decisions, and by how much scores do. Those of other
    batches differ by rounding.
    """
    number, differing, scores, far, largest = 0, 0, 0, 0, 0.0
    for one, other in zip_longest(read_explanations(first), read_explanations(second)):
        number += 1
        if one is None or other is None or one.input != other.input or (one.edges.kept != other.edges.kept).any():
            differing += 1
        else:
            differences = numpy.abs(numpy.subtract(one.edges.score, other.edges.score))
            scores, far = scores + differences.size, far + int((differences > _CLOSE).sum())
            largest = max(largest, float(differences.max(initial=0)))
    return {
        "explanations": number,
        "differing": differing,
        "scores": scores,
        f"off_by_more_than_{_CLOSE:g}": far,
        "largest_difference": largest,
    }


def count_speed(texts: Path) -> Dict[str, float]:
    """Return how many inputs are counted in a CPU second: of a text, and of EWT's development sentences fifty times."""
    sentences = lzma.open(Path(os.environ["GRAPHMASK_DATA"], "propbank_ewt", "ewt_dev.conll09.xz")).read()
    columns = texts.with_name("columns.conll09")
    columns.write_bytes(sentences * 50)
    predictor = Predictor.from_path(ARCHIVE)
    assert isinstance(predictor, ExplainingPredictor)
    speed: Dict[str, float] = {}
    for path in (texts, texts, columns):  # the first one loads what reads texts
        began = time.process_time()
        with open_source(predictor, str(path)) as source:
            number = sum(1 for _ in source.records())
        speed[path.suffix] = round(number / (time.process_time() - began))
    return speed


def contents(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kill_and_continue(folder: Path, command: List[object], seconds: float, kills: int) -> Dict[str, Any]:
    """Kill a worker and the driver in turn, each after a random part of the time that a run takes; then let it end."""
    generator = random.Random(1)
    killed: List[str] = []
    running = start(folder, *command)
    while len(killed) < kills:
        time.sleep(generator.uniform(0.1, 0.9) * seconds / kills)
        assert running.poll() is None, "a run ended before it was killed"
        if len(killed) % 2 == 0:
            while not (workers := find_workers(running.pid)):
                time.sleep(0.05)
            kill(generator.choice(workers))
            killed.append("worker")
        else:
            kill(running.pid)
            running.wait()
            killed.append("driver")
            running = start(folder, *command)
    measure(running)
    return {"killed": killed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=10_000)
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rows-per-shard", type=int, default=250)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--folder", help="where files go (default: a temporary folder)")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import_plugins()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        folder.mkdir(exist_ok=True)
        result = run(folder, options)
    sys.stdout.write(json.dumps(result, indent=1, default=vars) + "\n")


def run(folder: Path, options: argparse.Namespace) -> Dict[str, Any]:
    number, rows = options.sentences, options.rows_per_shard
    for name, size in (("one.txt", 1), ("texts.txt", number), ("twice.txt", 2 * number)):
        write_sentences(folder / name, size)
    begin, whole = explain(folder, "one.txt"), explain(folder, "texts.txt")
    result: Dict[str, Any] = {
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
        "sentences": number,
        "explain": {"start": begin, "run": whole, "inputs_per_second": _rate(number, whole, begin)},
        "actors": {},
    }
    for actors in options.actors:
        begin = measure(start(folder, *arguments("one.txt", f"start-{actors}", actors, rows)))
        whole = measure(start(folder, *arguments("texts.txt", f"out-{actors}", actors, rows)))
        result["actors"][actors] = {
            "start": begin,
            "run": whole,
            "inputs_per_second": _rate(number, whole, begin),
            "rows": compare(folder / "explained.parquet", folder / f"out-{actors}"),
        }
    actors, last = options.actors[-1], f"out-{options.actors[-1]}"
    twice = measure(start(folder, *arguments("twice.txt", "twice", actors, rows)))
    result["driver_memory"] = {"twice": twice, "ratio": round(twice.megabytes / whole.megabytes, 3)}
    command = arguments("texts.txt", "killed", actors, rows)
    result["kills"] = kill_and_continue(folder, command, whole.seconds, options.kills)
    result["kills"]["equal_files"] = contents(folder / "killed") == contents(folder / last)
    result["passed_over_a_second"] = count_speed(folder / "texts.txt")
    per_actor = result["actors"][actors]["inputs_per_second"] / actors
    result["hours_for_a_million"] = {cores: round(MILLION / (per_actor * cores) / 3600, 2) for cores in (1, 8, 64)}
    return result


def _rate(number: int, whole: Run, begin: Run) -> float:
    return round(number / (whole.seconds - begin.seconds), 1)


if __name__ == "__main__":
    main()
