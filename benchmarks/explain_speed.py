"""
How fast explanations are: predicates a second, and the time of explaining a batch against that of plain prediction of it.

    python -m benchmarks.explain_speed GRAPHMASK_ARCHIVE DATA_FILE [--batch-size 64] [--rounds 3]

CPU seconds of this process, one thread unless OMP_NUM_THREADS says otherwise. Prediction and explanation take turns batch by
batch, so that a machine whose speed drifts is the same for both; reading and indexing are not counted.
"""

import argparse
import json
import sys
import time
from typing import Any, Callable, Dict, List

import torch
from allennlp.common.plugins import import_plugins
from allennlp.data import Batch
from allennlp.models import load_archive

from allennlp_graphmask.interpret.graphmask import GraphMask


def seconds(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("data")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    import_plugins()
    archive = load_archive(arguments.archive)
    model = archive.model
    assert isinstance(model, GraphMask)
    model.eval()
    model.measures_controls = False
    instances = sorted(archive.validation_dataset_reader.read(arguments.data), key=lambda instance: len(instance["tokens"]))
    batches: List[Dict[str, Any]] = []
    for start in range(0, len(instances), arguments.batch_size):
        batch = Batch(instances[start : start + arguments.batch_size])
        batch.index_instances(model.vocab)
        batches.append(batch.as_tensor_dict())

    rounds = []
    with torch.no_grad():
        for batch_dict in batches[:3]:
            model(**batch_dict)  # warm-up
        for _ in range(arguments.rounds):
            predict = explain = readable = 0.0
            for batch_dict in batches:
                predict += seconds(lambda: model.target(**batch_dict))
                outputs = []
                explain += seconds(lambda: outputs.append(model(**batch_dict)))
                readable += seconds(lambda: model.make_output_human_readable(outputs[0]))
            rounds.append((predict, explain, readable))
    rounds.sort(key=lambda times: times[1] / times[0])
    predict, explain, readable = rounds[len(rounds) // 2]
    result = {
        "instances": len(instances),
        "batch_size": arguments.batch_size,
        "threads": torch.get_num_threads(),
        "predict_cpu_seconds": round(predict, 3),
        "explain_cpu_seconds": round(explain, 3),
        "human_readable_cpu_seconds": round(readable, 3),
        "explain_to_predict_ratio": round(explain / predict, 3),
        "explanations_per_cpu_second": round(len(instances) / explain, 1),
        "human_readable_explanations_per_cpu_second": round(len(instances) / (explain + readable), 1),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
