"""
Measure what it costs to write explanations, next to finding them.

    python -m benchmarks.output_cost ARCHIVE DATA_FILE [--max-instances 2000] [--rounds 3]

CPU seconds of this process, one thread unless OMP_NUM_THREADS is set, from instances that have been read: `explain` is all that is
done until an explanation is built (indexing, prediction, attribution, verification), `build` makes `Explanation`s of the
results, and each form is written in the batches of `allennlp explain`. The steps take turns round by round; the median is
reported, and the share of `explain` that writing costs, without and with building.
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, TypeVar
from unittest import mock

from allennlp.common.plugins import import_plugins
from allennlp.models import load_archive
from allennlp.predictors import Predictor

from allennlp_graphmask.explanation import Explanation
from allennlp_graphmask.explanation.forms import Form, JsonLines, Parquet
from allennlp_graphmask.predictors import ExplainingPredictor

T = TypeVar("T")

FORMS: Dict[str, Form] = {
    "json_lines": JsonLines(),
    "parquet": Parquet("float32"),
    "parquet_float16": Parquet("float16"),
}
BUILD = "allennlp_graphmask.predictors.explaining_predictor.build_explanation"
#: That of `allennlp explain`.
BATCH_SIZE = 32


def write(explanations: List[Explanation], form: Form, folder: str) -> int:
    """Write explanations as the command does. Return the size of the file."""
    partial, path = Path(folder, "partial"), Path(folder, "file")
    with open(partial, "wb") as file:
        for start in range(0, len(explanations), BATCH_SIZE):
            file.write(form.encode(explanations[start : start + BATCH_SIZE]))
    form.complete(partial, path)
    return os.path.getsize(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("data")
    parser.add_argument("--max-instances", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    import_plugins()
    predictor = Predictor.from_archive(load_archive(arguments.archive))
    assert isinstance(predictor, ExplainingPredictor)
    instances = list(itertools.islice(predictor._dataset_reader.read(arguments.data), arguments.max_instances))
    seconds: Dict[str, List[float]] = {}
    sizes: Dict[str, int] = {}

    def timed(name: str, run: Callable[..., T], *args: Any) -> T:
        start = time.process_time()
        result = run(*args)
        seconds.setdefault(name, []).append(time.process_time() - start)
        return result

    predictor.explain_instances(instances[:BATCH_SIZE])  # warm-up, and the provenance
    for _ in range(arguments.rounds):
        with mock.patch(BUILD, lambda *args, **kwargs: None):
            timed("explain", predictor.explain_instances, instances)
        explanations = timed("explain_and_build", predictor.explain_instances, instances)
        for name, form in FORMS.items():
            with tempfile.TemporaryDirectory() as folder:
                sizes[name] = timed(name, write, explanations, form, folder)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    build = median["explain_and_build"] - median["explain"]
    result = {
        "explanations": len(explanations),
        "explained_per_cpu_second": round(len(explanations) / median["explain"], 1),
        "build_over_explain": round(build / median["explain"], 3),
        "write_over_explain": {name: round(median[name] / median["explain"], 3) for name in FORMS},
        "build_and_write_over_explain": {name: round((build + median[name]) / median["explain"], 3) for name in FORMS},
        "megabytes": {name: round(size / 1e6, 2) for name, size in sizes.items()},
        "json_lines_over_size": {name: round(sizes["json_lines"] / size, 1) for name, size in sizes.items()},
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
