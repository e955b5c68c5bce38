"""
How often interpreters are right about models of which it is proved what matters (docs/known_truth.md).

    python -m benchmarks.known_truth [--json FILE] [--graphs 200] [--steps 2500] [--without-graphmask]

For each model and each registered interpreter that can run on it: the share of graphs of which it keeps an accepted set, and
the share of which it ranks an accepted set first. GraphMask is trained here, with the same settings for all models, on
graphs of other seeds.
"""

import argparse
import json
import sys
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

import torch
from allennlp.common import Lazy
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask, Interpreter
from allennlp_graphmask.interpret.maskers import EdgewiseMasker
from allennlp_graphmask.testing.known_truth import (
    KNOWN_TRUTHS,
    KnownTruth,
    is_accepted,
    ranks_accepted_first,
)

#: Seeds of graphs: those that are reported, and the first of those that GraphMask is trained on.
TEST_SEED, FIRST_TRAINING_SEED = 6, 1000


def train_graphmask(
    truth: KnownTruth,
    *,
    seed: int = 0,
    steps: int = 2500,
    batch_size: int = 32,
    num_batches: int = 100,
    learning_rate: float = 0.005,
    multiplier_learning_rate: float = 0.05,
    hidden_dim: int = 32,
    allowance: float = 0.01,
    multiplier_start: float = 1.0,
    top_layer_alone: float = 1 / 3,
) -> GraphMask:
    """
    GraphMask on a model of known truth, by a plain loop: Adam with learning rates that fall linearly to zero. The multiplier
    learns faster than the masker. For the share `top_layer_alone` of the steps only the top layer is masked.
    """
    torch.manual_seed(seed)
    model = GraphMask(
        truth.vocab,
        truth.model,
        masker=Lazy(EdgewiseMasker, constructor_extras={"hidden_dim": hidden_dim}),
        allowance=allowance,
        multiplier_start=multiplier_start,
        epochs_per_layer=1,
    )
    model.in_training_run = True
    groups: Tuple[List[torch.nn.Parameter], List[torch.nn.Parameter]] = ([], [])
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[name.endswith("multiplier")].append(parameter)
    optimizer = torch.optim.Adam(
        [
            {"params": groups[0], "lr": learning_rate},
            {"params": groups[1], "lr": multiplier_learning_rate},
        ]
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    batches = [truth.batch(batch_size, seed=FIRST_TRAINING_SEED + number) for number in range(num_batches)]
    model.train()
    for step in range(steps):
        if step == int(top_layer_alone * steps):
            model.schedule_layers(model.num_layers)
            model.train()
        optimizer.zero_grad()
        model(**batches[step % num_batches])["loss"].backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def interpreters(truth: KnownTruth, graphmask: Optional[GraphMask]) -> Iterator[Tuple[str, Interpreter]]:
    """All registered interpreters that can be built."""
    for name in sorted(Interpreter.list_available()):
        if Interpreter.by_name(name) is AmortisedGraphMask:
            if graphmask is not None:
                yield name, AmortisedGraphMask(graphmask=graphmask)
            continue
        try:
            yield name, Interpreter.by_name(name)()
        except (ConfigurationError, TypeError) as error:
            sys.stderr.write(f"{name} needs settings of its own: {error}\n")


def scores_of(interpreter: Interpreter, truth: KnownTruth, graphs: int) -> Optional[Dict[str, Any]]:
    """`None` if the interpreter refuses the model."""
    batch = truth.batch(graphs, seed=TEST_SEED)
    start = time.process_time()
    try:
        attribution = interpreter.interpret(truth.passes(), batch)
    except ConfigurationError:
        return None
    seconds = time.process_time() - start
    return {
        "accepted": sum(is_accepted(attribution, batch)) / graphs,
        "ranked_first": sum(ranks_accepted_first(attribution, batch)) / graphs,
        "kept": round(attribution.kept_share(), 4),
        "cpu_seconds": round(seconds, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", help="where to write the results")
    parser.add_argument("--graphs", type=int, default=200, help="of each model")
    parser.add_argument("--steps", type=int, default=2500, help="of GraphMask's training")
    parser.add_argument("--seed", type=int, default=0, help="of GraphMask's training")
    parser.add_argument("--sharpness", type=float, default=4.0, help="of the models")
    parser.add_argument("--without-graphmask", action="store_true")
    arguments = parser.parse_args()
    results: Dict[str, Dict[str, Any]] = {}
    for name, make in KNOWN_TRUTHS.items():
        truth = make(sharpness=arguments.sharpness)
        graphmask = None
        if not arguments.without_graphmask:
            graphmask = train_graphmask(truth, seed=arguments.seed, steps=arguments.steps)
        results[name] = {}
        for interpreter_name, interpreter in interpreters(truth, graphmask):
            scores = scores_of(interpreter, truth, arguments.graphs)
            results[name][interpreter_name] = scores
            told = (
                "cannot run"
                if scores is None
                else f"{scores['accepted']:.3f} accepted, {scores['ranked_first']:.3f} ranked first"
            )
            sys.stdout.write(f"{name:20s} {interpreter_name:20s} {told}\n")
            sys.stdout.flush()
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"settings": vars(arguments), "results": results}, file, indent=2)


if __name__ == "__main__":
    main()
