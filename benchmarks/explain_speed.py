"""
Measure how fast explanations of a single pass are, next to plain prediction, and the steps of training GraphMask.

    python -m benchmarks.explain_speed GRAPHMASK_ARCHIVE DATA_FILE [--batch-size 64] [--rounds 3] [--cuda-device 0]

Batches have been read and, for a GPU, are on it. On the CPU seconds are those of this process, one thread unless OMP_NUM_THREADS is set;
on a GPU those of the clock, with the GPU's work done. Prediction and explaining take turns batch by batch; the round with the median
ratio is reported. For a GPU also what a batch copies between it and the computer, by PyTorch's profiler: each copy to the computer
waits for the GPU.
"""

import argparse
import json
import sys
import time
from typing import Any, Callable, Dict, List

import torch
from allennlp.common.plugins import import_plugins
from allennlp.common.util import int_to_device
from allennlp.data import DatasetReader
from allennlp.models import load_archive
from allennlp.nn.util import move_to_device

from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask
from benchmarks.training import collate_by_size

Step = Callable[[Dict[str, Any]], Any]
#: Events of PyTorch's profiler, and what they are called here.
COPIES = {"Memcpy DtoH": "copies_to_computer", "Memcpy HtoD": "copies_to_gpu"}


def make_steps(model: GraphMask) -> Dict[str, Step]:
    """Make what is measured, each a function of a batch."""
    optimizer = torch.optim.Adam([one for one in model.parameters() if one.requires_grad])

    @torch.no_grad()
    def predict(batch: Dict[str, Any]) -> None:
        model.target(**batch)

    interpreter = AmortisedGraphMask(graphmask=model)

    def explain(batch: Dict[str, Any]) -> None:
        interpreter.interpret(model.masked_model, batch)

    def train(batch: Dict[str, Any]) -> None:
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()

    return {"predict": predict, "explain": explain, "train": train}


def measure(steps: Dict[str, Step], batches: List[Dict[str, Any]], device: torch.device) -> Dict[str, float]:
    """Measure the seconds of each step over all batches."""
    on_gpu = device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    seconds = dict.fromkeys(steps, 0.0)
    for batch in batches:
        for name, step in steps.items():
            start = clock()
            step(batch)
            if on_gpu:
                torch.cuda.synchronize()
            seconds[name] += clock() - start
    return seconds


def count_copies(step: Step, batches: List[Dict[str, Any]]) -> Dict[str, float]:
    """Count the copies of a step, for each batch."""
    with torch.profiler.profile() as profile:
        for batch in batches:
            step(batch)
    counts = dict.fromkeys(COPIES.values(), 0)
    for event in profile.key_averages():
        for start, name in COPIES.items():
            counts[name] += event.count if event.key.startswith(start) else 0
    return {name: count / len(batches) for name, count in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("data")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cuda-device", type=int, default=-1)
    arguments = parser.parse_args()
    import_plugins()
    device = int_to_device(arguments.cuda_device)
    archive = load_archive(arguments.archive, cuda_device=arguments.cuda_device)
    model, reader = archive.model, archive.validation_dataset_reader
    assert isinstance(model, GraphMask) and isinstance(reader, DatasetReader)
    model.eval()
    instances = list(reader.read(arguments.data))
    batches = [move_to_device(batch, device) for batch in collate_by_size(instances, model, arguments.batch_size)]
    result: Dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "instances": len(instances),
        "batch_size": arguments.batch_size,
    }
    steps = make_steps(model)
    train = {"train": steps.pop("train")}
    measure(steps, batches[:3], device)  # warm-up
    rounds = sorted(
        (measure(steps, batches, device) for _ in range(arguments.rounds)),
        key=lambda seconds: seconds["explain"] / seconds["predict"],
    )
    seconds = rounds[len(rounds) // 2]
    result["explain_to_predict_ratio"] = round(seconds["explain"] / seconds["predict"], 3)
    copies = {name: count_copies(step, batches) for name, step in steps.items()} if device.type == "cuda" else {}
    model.train()
    model.in_training_run = True
    measure(train, batches[:3], device)
    seconds.update(measure(train, batches, device))
    if device.type == "cuda":
        copies["train"] = count_copies(train["train"], batches)
    for name, used in seconds.items():
        result[name] = {"instances_per_second": round(len(instances) / used, 1), **copies.get(name, {})}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
