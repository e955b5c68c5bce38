"""
Measure how fast explanations are: the time of explaining a batch against that of plain prediction of it, and how many explanations a
second come out, from instances to lines of JSON.

    python -m benchmarks.explain_speed GRAPHMASK_ARCHIVE DATA_FILE [--batch-size 64] [--rounds 3]

CPU seconds of this process, one thread unless OMP_NUM_THREADS is set. Prediction and explanation take turns batch by
batch, so that a machine whose speed drifts is the same for both. The median of the rounds, by their ratio, is reported.
"""

import argparse
import json
import sys
import time
from typing import Any, Dict, List, NamedTuple

import torch
from allennlp.common.plugins import import_plugins
from allennlp.models import load_archive
from allennlp.predictors import Predictor

from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.predictors.graphmask import GraphMaskPredictor
from benchmarks.training import collate_by_size


class Round(NamedTuple):
    predict: float
    explain: float


def compare(model: GraphMask, batches: List[Dict[str, Any]]) -> Round:
    """CPU seconds of prediction alone and of explaining, over all batches."""
    predict = explain = 0.0
    with torch.no_grad():
        for batch in batches:
            start = time.process_time()
            model.target(**batch)
            between = time.process_time()
            model(**batch)
            predict += between - start
            explain += time.process_time() - between
    return Round(predict, explain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("data")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    import_plugins()
    predictor = Predictor.from_archive(load_archive(arguments.archive))
    assert isinstance(predictor, GraphMaskPredictor)
    model = predictor._model
    assert isinstance(model, GraphMask)
    model.measures_controls = False
    instances = list(predictor._dataset_reader.read(arguments.data))
    batches = collate_by_size(instances, model, arguments.batch_size)
    compare(model, batches[:3])  # warm-up
    rounds = sorted(
        (compare(model, batches) for _ in range(arguments.rounds)),
        key=lambda times: times.explain / times.predict,
    )
    median = rounds[len(rounds) // 2]

    predictor.explain_instances(instances[:10])  # the provenance, once
    start, wall_start = time.process_time(), time.perf_counter()
    num_bytes = 0
    for explanation in predictor.explain_instances(instances):
        num_bytes += len(explanation.to_json_line())
    to_json, wall = time.process_time() - start, time.perf_counter() - wall_start

    result = {
        "instances": len(instances),
        "batch_size": arguments.batch_size,
        "threads": torch.get_num_threads(),
        "predict_cpu_seconds": round(median.predict, 3),
        "explain_cpu_seconds": round(median.explain, 3),
        "explain_to_predict_ratio": round(median.explain / median.predict, 3),
        "explained_per_cpu_second": round(len(instances) / median.explain, 1),
        "json_lines_per_cpu_second": round(len(instances) / to_json, 1),
        "json_lines_per_second": round(len(instances) / wall, 1),
        "json_megabytes": round(num_bytes / 1e6, 1),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
