"""
Measure GraphMask on a GPU: predictions and explanations of a single pass in a second, and what a step of training and of explaining
copies between the GPU and the computer.

    python -m benchmarks.gpu GRAPHMASK_ARCHIVE DATA_FILE [--batch-size 256] [--rounds 5]

Batches are on the GPU before the clock starts. Seconds are of the clock, with the GPU's work done; the median of the rounds is
reported. A copy to the computer waits for the GPU.
"""

import argparse
import json
import statistics
import sys
import time
from typing import Any, Callable, Dict, List

import torch
from allennlp.common.plugins import import_plugins
from allennlp.data import DatasetReader
from allennlp.models import load_archive
from allennlp.nn.util import move_to_device

from allennlp_graphmask.interpret.graphmask import GraphMask
from benchmarks.training import collate_by_size

#: Events of PyTorch's profiler, and what they are called here.
COPIES = {"Memcpy DtoH": "to_computer", "Memcpy HtoD": "to_gpu", "cudaStreamSynchronize": "waits"}


def seconds(run: Callable[[Dict[str, Any]], Any], batches: List[Dict[str, Any]]) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    for batch in batches:
        run(batch)
    torch.cuda.synchronize()
    return time.perf_counter() - start


def copies(run: Callable[[Dict[str, Any]], Any], batches: List[Dict[str, Any]]) -> Dict[str, float]:
    """Count copies and waits, for each batch."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        seconds(run, batches)
    counts = dict.fromkeys(COPIES.values(), 0)
    for event in profile.key_averages():
        for start, name in COPIES.items():
            if event.key.startswith(start):
                counts[name] += event.count
    return {name: count / len(batches) for name, count in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("data")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    import_plugins()
    archive = load_archive(arguments.archive, cuda_device=0)
    model, reader = archive.model, archive.validation_dataset_reader
    assert isinstance(model, GraphMask) and isinstance(reader, DatasetReader)
    model.measures_controls = False
    instances = list(reader.read(arguments.data))
    device = torch.device("cuda", 0)
    batches = [move_to_device(batch, device) for batch in collate_by_size(instances, model, arguments.batch_size)]

    @torch.no_grad()
    def predict(batch: Dict[str, Any]) -> None:
        model.target(**batch)

    @torch.no_grad()
    def explain(batch: Dict[str, Any]) -> None:
        model(**batch)

    optimizer = torch.optim.Adam([one for one in model.parameters() if one.requires_grad])

    def train(batch: Dict[str, Any]) -> None:
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()

    result: Dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "instances": len(instances)}
    for name, run in (("predict", predict), ("explain", explain)):
        seconds(run, batches)  # warm-up
        times = [seconds(run, batches) for _ in range(arguments.rounds)]
        result[f"{name}_per_second"] = round(len(instances) / statistics.median(times))
        result[f"{name}_step"] = copies(run, batches)
    model.train()
    model.in_training_run = True
    seconds(train, batches)
    result["train_per_second"] = round(len(instances) / seconds(train, batches))
    result["train_step"] = copies(train, batches)
    result["copies_are_for_each"] = f"batch of {arguments.batch_size}"
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
