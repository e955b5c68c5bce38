"""
Measure how often interpreters are right about models with a proof of what matters (docs/ground_truth.md).

    python -m benchmarks.ground_truth [--json FILE] [--graphs 200] [--seeds 5] [--models NAME ...]
        [--without-graphmask | --only-graphmask] [--all-budgets]

For each model and each registered interpreter that can run on it, it prints the share of graphs of which an accepted set is
kept, and the share of which an accepted set is ranked first. GraphMask is trained here, on graphs of other seeds: for each seed
one masker with each of `SETTINGS`, the same for all models, among which GraphMask's own criterion chooses on graphs of yet
another seed. With `--all-budgets` it is one masker for every budget, which reads gradients, and its threshold is chosen on those
graphs.
"""

import argparse
import json
import sys
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import torch
from allennlp.common import Lazy
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.evaluation.ground_truth import (
    GROUND_TRUTHS,
    GroundTruth,
    is_accepted,
    ranks_accepted_first,
)
from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.interpret.graphmask import GraphMask, choose_threshold
from allennlp_graphmask.interpret.graphmask.objectives import AllBudgets, Objective
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask, Interpreter
from allennlp_graphmask.interpret.maskers import EdgewiseMasker

#: Seeds of graphs: those that are reported, those that choose among maskers, and the first of those that these are trained on.
TEST_SEED, DEV_SEED, FIRST_TRAINING_SEED = 6, 5, 1000
#: The number of graphs that choose among maskers.
DEV_GRAPHS = 500
#: A masker is trained with each. They fail on different graphs, and the criterion sees it (docs/ground_truth.md).
SETTINGS: Tuple[Dict[str, Any], ...] = (
    {"learning_rate": 0.003, "initial_multiplier": 5.0, "steps": 3500},
    {"learning_rate": 0.005, "initial_multiplier": 2.0, "steps": 3000},
)

#: Those of the masker for every budget, and the largest share of changed predictions that chooses its threshold.
ALL_BUDGETS: Dict[str, Any] = {"learning_rate": 0.003, "initial_multiplier": 0.55, "steps": 3000}
ALL_BUDGETS_MASKER: Dict[str, Any] = {
    "num_hidden_layers": 2,
    "location_bias": 0.0,
    "features": ["relation", "size", "gradient"],
}
MAX_CHANGED = 0.01


def train_graphmask(
    truth: GroundTruth,
    *,
    seed: int = 0,
    steps: int,
    batch_size: int = 32,
    num_batches: int = 100,
    learning_rate: float,
    baseline_learning_rate: float = 0.001,
    multiplier_learning_rate: float = 0.05,
    hidden_dim: int = 32,
    allowance: float = 0.01,
    initial_multiplier: float,
    multiplier_floor: float = -0.5,
    top_layer_alone: float = 1 / 3,
    objective: Optional[Objective] = None,
    masker: Optional[Dict[str, Any]] = None,
) -> GraphMask:
    """
    Train GraphMask on a model of known truth by a plain loop: Adam with learning rates that fall linearly to zero. For the share
    `top_layer_alone` of the steps only the top layer is masked. docs/ground_truth.md gives the reasons for the settings.

    # Parameters

    baseline_learning_rate : `float`
        Of the vectors that replace messages, which start from zeros here. Slower than the masker.
    multiplier_learning_rate : `float`
        Of the multiplier: faster than the masker.
    multiplier_floor : `float`
        The multiplier's parameter does not fall below it.
    objective : `Objective`, optional (default = `None`)
        What the masker is trained for instead of the constraint.
    masker : `Dict[str, Any]`, optional (default = `None`)
        Further arguments of the masker.
    """
    torch.manual_seed(seed)
    model = GraphMask(
        truth.vocab,
        truth.model,
        masker=Lazy(EdgewiseMasker, constructor_extras={"hidden_dim": hidden_dim, **(masker or {})}),
        allowance=allowance,
        initial_multiplier=initial_multiplier,
        multiplier_bounds=(multiplier_floor, 30.0),
        epochs_per_layer=1 if objective is None else None,
        objective=objective,
    )
    model.in_training_run = True
    for baseline in model.masker.baselines:
        torch.nn.init.zeros_(baseline)
    own_rates = {"multiplier": multiplier_learning_rate, "baselines": baseline_learning_rate}
    groups: Dict[float, List[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rates = [rate for part, rate in own_rates.items() if part in name.split(".")]
            groups.setdefault(rates[0] if rates else learning_rate, []).append(parameter)
    optimizer = torch.optim.Adam([{"params": group, "lr": rate} for rate, group in groups.items()])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / max(steps, 1))
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


def build_interpreters() -> Iterator[Tuple[str, Interpreter]]:
    """Build all registered interpreters that need no settings, which GraphMask with its masker does."""
    for name in sorted(Interpreter.list_available()):
        if Interpreter.by_name(name) is AmortisedGraphMask:
            continue
        try:
            yield name, Interpreter.by_name(name)()
        except (ConfigurationError, TypeError) as error:
            sys.stderr.write(f"{name} needs settings of its own: {error}\n")


def score(interpreter: Interpreter, truth: GroundTruth, graphs: int) -> Optional[Dict[str, Any]]:
    """Score an interpreter; `None` if it refuses the model."""
    batch = truth.batch(graphs, seed=TEST_SEED)
    start = time.process_time()
    try:
        attribution = interpreter.interpret(truth.masked_model(), batch)
    except ConfigurationError:
        return None
    seconds = time.process_time() - start
    return {
        "accepted": sum(is_accepted(attribution, batch)) / graphs,
        "ranked_first": sum(ranks_accepted_first(attribution, batch)) / graphs,
        "kept": round(attribution.kept_share(), 4),
        "cpu_seconds": round(seconds, 3),
    }


def selection(graphmask: GraphMask, truth: GroundTruth) -> float:
    """
    Compute GraphMask's criterion on graphs that are not reported: the share kept if few enough predictions change. Lower is
    better.
    """
    graphmask.get_metrics(reset=True)
    with torch.no_grad():
        graphmask(**truth.batch(DEV_GRAPHS, seed=DEV_SEED))
    return graphmask.get_metrics(reset=True)["selection"]


def choose_graphmask(truth: GroundTruth, *, seed: int) -> Tuple[GraphMask, int, List[float]]:
    """
    Train a masker with each of `SETTINGS`.

    # Returns

    The one that the criterion prefers, the first of equals; its number; and the criterion's value for each.
    """
    trained = [train_graphmask(truth, seed=seed, **settings) for settings in SETTINGS]
    values = [selection(graphmask, truth) for graphmask in trained]
    chosen = values.index(min(values))
    return trained[chosen], chosen, values


def train_for_all_budgets(truth: GroundTruth, *, seed: int) -> GraphMask:
    """Train one masker for every budget, and choose its threshold on the graphs that choose among the others."""
    graphmask = train_graphmask(truth, seed=seed, objective=AllBudgets(), masker=ALL_BUDGETS_MASKER, **ALL_BUDGETS)
    batch = truth.batch(DEV_GRAPHS, seed=DEV_SEED)
    graphmask.threshold.fill_(choose_threshold(graphmask, [batch], MAX_CHANGED)[0].threshold)
    return graphmask


def score_graphmask(truth: GroundTruth, graphs: int, *, seed: int, all_budgets: bool) -> Dict[str, Any]:
    """Score the masker that is chosen, without and with verification, with the time that all took."""
    start = time.process_time()
    chosen: int = 0
    values: List[float] = []
    if all_budgets:
        graphmask = train_for_all_budgets(truth, seed=seed)
    else:
        graphmask, chosen, values = choose_graphmask(truth, seed=seed)
    seconds = round(time.process_time() - start, 1)
    scores, verified = (
        score(AmortisedGraphMask(graphmask=graphmask, verify=verify), truth, graphs) for verify in (False, True)
    )
    assert scores is not None
    trained = {"chosen_settings": chosen, "selection": values, "train_cpu_seconds": seconds}
    return {"seed": seed, **scores, "verified": verified, **trained}


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--json", help="where to write the results")
    add("--graphs", type=int, default=200, help="of each model")
    add("--seeds", type=int, default=1, help="of GraphMask's training: 0, 1, ...")
    add("--sharpness", type=float, default=4.0, help="of the models")
    add("--models", nargs="+", default=list(GROUND_TRUTHS), choices=list(GROUND_TRUTHS))
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--without-graphmask", action="store_true")
    which.add_argument("--only-graphmask", action="store_true")
    add("--all-budgets", action="store_true", help="train one masker for every budget")
    parsed = parser.parse_args(arguments)
    results: Dict[str, Dict[str, Any]] = {}

    def report(model: str, interpreter: str, scores: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
        text = "cannot run"
        if scores is not None:
            text = f"{scores['accepted']:.3f} accepted, {scores['ranked_first']:.3f} ranked first, {scores['kept']:.3f} kept"
        sys.stdout.write(f"{model:20s} {interpreter:24s} {text}\n")
        sys.stdout.flush()
        return scores

    for name in parsed.models:
        truth = GROUND_TRUTHS[name](sharpness=parsed.sharpness)
        results[name] = {
            label: report(name, label, score(interpreter, truth, parsed.graphs))
            for label, interpreter in ([] if parsed.only_graphmask else build_interpreters())
        }
        if not parsed.without_graphmask:
            results[name]["graphmask"] = [
                score_graphmask(truth, parsed.graphs, seed=seed, all_budgets=parsed.all_budgets)
                for seed in range(parsed.seeds)
            ]
            for scores in results[name]["graphmask"]:
                report(name, f"graphmask, seed {scores['seed']}", scores)
                report(name, "  verified", scores["verified"])
    if parsed.json:
        write_atomically(parsed.json, json.dumps({"settings": vars(parsed), "results": results}, indent=2))


if __name__ == "__main__":
    main()
