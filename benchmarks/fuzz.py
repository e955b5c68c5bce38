"""
Fuzz all that reads untrusted data, guided by coverage (https://github.com/google/atheris).

    pip install atheris
    python -m benchmarks.fuzz --runs 20000 --target conll2009_srl --target graph_srl
    python -m benchmarks.fuzz --target graph_srl --repeat crash

Targets are the registered readers and predictors of this package, and `explanations`: a file of explanations is read, and each is shown
in every view as text and as a page. By default all are run, in processes of 2,000 inputs each: spaCy keeps every word that it has
seen, and the limit of memory would in the end be that of all inputs together. Each process starts from what the one before found. An
input must end in a result or in a `ConfigurationError` (`ExplanationFormatError` for explanations), which names the file if there is
one, within 20 CPU seconds and 2 GB: 39 predicates of a sentence of 1,400 words take 5. One that does not is written to `crash`, and the exit status is 1. Inputs start from the fixtures.
Most mutations change the structure of the JSON or of the columns, the others bytes.
"""

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Callable, Optional, Tuple

from benchmarks.fuzz_targets import build_explanations, build_predictor, build_reader, find_names

SECONDS, MEGABYTES = 20, 2048
#: Of the clock, which is late on a busy machine; what hangs is stopped then.
HANG_SECONDS = 300
RUNS_PER_PROCESS = 2_000

#: What is put in place of values, and into texts.
VALUES: Tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    0.5,
    -1e308,
    "",
    "_",
    "Y",
    [],
    {},
    [[[[]]]],
    {"a": {"a": 1}},
    "word " * 300,
)
PIECES = "\0 \r \t \n \u2028 \u202e \u0301 \ud800 \ufeff @@NEWLINE@@ ^-1".split(" ") + [" ", "[" * 2000, "9" * 5000]


def change(value: Any, random: Random) -> Any:
    """Change one place in nested lists and dictionaries."""
    if isinstance(value, (list, dict)) and value and random.random() < 0.95:
        keys: Any = list(value) if isinstance(value, dict) else range(len(value))
        key, other, action = random.choice(keys), random.choice(keys), random.randrange(16)
        if action == 0:
            del value[key]
        elif action == 1:
            value[key], value[other] = value[other], value[key]
        elif action == 2:
            if isinstance(value, list):
                value.insert(other, value[key])
            else:
                value[str(change(key, random))] = value.pop(key)
        else:
            value[key] = change(value[key], random)
        return value
    if isinstance(value, str) and random.random() < 0.7:
        start, end = sorted(random.choices(range(len(value) + 1), k=2))
        return value[:start] + random.choice((random.choice(PIECES), value[start:end] * 2, "")) + value[end:]
    if isinstance(value, (int, float)) and random.random() < 0.7:
        return random.choice((value + 1, value - 1, -value, str(value)))
    return random.choice(VALUES)


def change_json(text: str, random: Random) -> str:
    """Change a JSON value, or one of several lines."""
    lines = text.split("\n") if "\n" in text.strip() and not text.startswith("[") else [text]
    number = random.randrange(len(lines))
    lines[number] = json.dumps(change(json.loads(lines[number]), random))
    return "\n".join(lines)


def change_columns(text: str, random: Random) -> str:
    rows = change([line.split("\t") for line in text.split("\n")], random)
    return "\n".join("\t".join(map(str, row)) if isinstance(row, list) else str(row) for row in rows)


def mutate(data: bytes, most: int, seed: int, change_bytes: Callable[[bytes, int], bytes]) -> bytes:
    random = Random(seed)
    if random.random() < 0.75:
        try:
            text = data.decode("utf-8")
            for _ in range(random.choice((1, 1, 2, 4))):
                text = (change_json if text[:1] in "[{" else change_columns)(text, random)
            return text.encode("utf-8", "surrogatepass")[:most]
        except (ValueError, RecursionError, TypeError):
            pass  # there is no structure left
    return change_bytes(data, most)


def fuzz(target: str, runs: int, seed: int, corpus: str, repeat: Optional[str]) -> None:
    """Fuzz one target until the process exits. Inputs that reach new code are added to the folder `corpus`."""
    import atheris

    with atheris.instrument_imports(include=["allennlp_graphmask"]):
        from allennlp.common.plugins import import_plugins
        from allennlp.data import DatasetReader

        import_plugins()
    build = (
        build_explanations
        if target == "explanations"
        else build_reader
        if target in find_names(DatasetReader)
        else build_predictor
    )
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        run, inputs = build(target, Path(folder))

        def run_and_keep(data: bytes) -> None:
            start = time.process_time()
            try:
                run(data)
                seconds = time.process_time() - start
                if seconds > SECONDS:
                    raise RuntimeError(f"This input took {seconds:.1f} CPU seconds.")
            except BaseException:
                Path("crash").write_bytes(data)
                raise

        if repeat is not None:
            run(Path(repeat).read_bytes())
            return
        for number, data in enumerate(inputs):
            Path(corpus, str(number)).write_bytes(data)
            run_and_keep(data)
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 + MEGABYTES
        limits = [
            f"-runs={runs}",
            f"-timeout={HANG_SECONDS}",
            f"-rss_limit_mb={megabytes}",
            "-max_len=40000",
            f"-seed={seed}",
        ]
        atheris.Setup(
            [target, *limits, corpus], run_and_keep, custom_mutator=partial(mutate, change_bytes=atheris.Mutate)
        )
        atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", help="may be repeated (default: all)")
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--repeat", metavar="FILE", help="run this input alone, with the traceback of its error")
    options = parser.parse_args()
    targets = options.target
    if targets is None:
        from allennlp.common.plugins import import_plugins
        from allennlp.data import DatasetReader
        from allennlp.predictors import Predictor

        import_plugins()
        targets = [*find_names(DatasetReader), *find_names(Predictor), "explanations"]
    if options.corpus is not None or options.repeat is not None:
        (target,) = targets
        fuzz(target, options.runs, options.seed, options.corpus, options.repeat)
        return 0
    return max(fuzz_in_processes(target, options.runs) for target in targets)


def fuzz_in_processes(target: str, runs: int) -> int:
    """Return the status of the first process that fails, or 0."""
    with tempfile.TemporaryDirectory() as corpus:
        for seed, first in enumerate(range(0, runs, RUNS_PER_PROCESS), start=1):
            command = [sys.executable, "-m", "benchmarks.fuzz", "--target", target, "--corpus", corpus]
            command += ["--seed", str(seed), "--runs", str(min(RUNS_PER_PROCESS, runs - first))]
            status = subprocess.run(command).returncode
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
