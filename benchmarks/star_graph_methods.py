"""The methods that `benchmarks.star_graphs` compares: interpreters, with their settings and with how they come to a decision."""

import os
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, TypeVar

import torch
from allennlp.data import Batch, Instance
from allennlp.models import Model, load_archive

from allennlp_graphmask.evaluation.metrics import AttributionEvaluation, shuffled_attribution
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.interpreters import (
    AllEdgesInterpreter,
    ErasureSearch,
    GnnExplainer,
    GradientTimesMessage,
    InformationBottleneck,
    IntegratedGradients,
    Interpreter,
    LeaveOneEdgeOut,
    PerInstanceGraphMask,
)
from allennlp_graphmask.interpret.masked_model import MaskedModel
from benchmarks.edge_thresholds import Cut, best_cut, cut_by
from benchmarks.training import train_here

CONFIGS = Path(__file__).parent.parent / "training_config" / "star_graphs"

#: The config of the model for each variant.
MODELS = {"single_layer": "small", "two_layer": "two_layer"}

T = TypeVar("T")


class Explained(NamedTuple):
    """
    What a method says of the test graphs, and its CPU seconds.

    # Parameters

    attribution : `EdgeAttribution`
    changed : `float`
        The share of predictions that change when only what is kept is left.
    train_cpu_seconds, setup_cpu_seconds, explain_cpu_seconds : `float`
        Of what comes once for all graphs (training, or choosing a threshold), of reading and building before it, and of
        explaining the test graphs in one batch.
    cut : `Cut`, optional (default = `None`)
        The rule that decides what is kept, if it was chosen on the development graphs.
    own_rule : `EdgeAttribution`, optional (default = `None`)
        The same with the decisions of the interpreter's own rule, where a cut was chosen instead.
    """

    attribution: EdgeAttribution
    changed: float
    train_cpu_seconds: float
    setup_cpu_seconds: float
    explain_cpu_seconds: float
    cut: Optional[Cut] = None
    own_rule: Optional[EdgeAttribution] = None


class Task(NamedTuple):
    """What a method is given: a trained model and its archive, development graphs and test graphs."""

    variant: str
    seed: int
    archive_file: Path
    model: Model
    development: List[Instance]
    test: List[Instance]
    folder: Path


def tensors_of(instances: Sequence[Instance], model: Model) -> Dict[str, Any]:
    batch = Batch(instances)
    batch.index_instances(model.vocab)
    return batch.as_tensor_dict()


def truth_of(instances: Sequence[Instance], num_layers: int) -> List[List[Optional[bool]]]:
    """For each layer from the bottom whether each edge of a batch of these graphs matters."""
    graphs = [instance["metadata"].metadata for instance in instances]  # type: ignore[attr-defined]
    return [
        [edge["matters"][layer] for graph in graphs for edge in graph["edge_metadata"]]
        for layer in range(num_layers)
    ]


def timed(explain: Callable[[], T]) -> Tuple[T, float]:
    """What is returned, and the CPU seconds: where it takes less than one, the median of five times after a first to warm up."""
    start = time.process_time()
    result = explain()
    seconds = time.process_time() - start
    if seconds >= 1:
        return result, seconds
    times = []
    for _ in range(5):
        start = time.process_time()
        result = explain()
        times.append(time.process_time() - start)
    return result, sorted(times)[2]


def changed_share(masked_model: MaskedModel, batch: Dict[str, Any], attribution: EdgeAttribution) -> float:
    """The share of predictions that change when only what is kept is left."""
    evaluation = AttributionEvaluation(masked_model, batch, attribution)
    return float(masked_model.changed(evaluation.unmasked.output, evaluation.kept_output).float().mean())


def explain_by_graphmask(task: Task, config: str) -> Explained:
    """Trains GraphMask and explains all graphs in one batch."""
    folder = task.folder / f"{config}_{task.seed}"
    os.environ["GRAPHMASK_TARGET"] = str(task.archive_file)
    seconds = train_here(str(CONFIGS / f"{config}.jsonnet"), folder, task.seed)
    model = load_archive(str(folder / "model.tar.gz")).model
    assert isinstance(model, GraphMask)
    model.eval()
    # As when explanations are made by its predictor.
    model.measures_controls = False
    batch = tensors_of(task.test, model)

    def explain() -> Dict[str, Any]:
        with torch.no_grad():
            return model(**batch)

    output, explaining = timed(explain)
    changed = float(output["changed"].float().mean())
    return Explained(output["attribution"], changed, seconds.training, seconds.setup, explaining)


def explain_by_own_rule(task: Task, interpreter: Interpreter) -> Explained:
    """Keeps what the interpreter itself decides to keep."""
    masked_model, batch = MaskedModel(task.model), tensors_of(task.test, task.model)
    attribution, seconds = timed(lambda: interpreter.interpret(masked_model, batch))
    return Explained(attribution, changed_share(masked_model, batch, attribution), 0.0, 0.0, seconds)


def explain_by_threshold(task: Task, interpreter: Interpreter) -> Explained:
    """Keeps what the rule keeps that has the highest F1 on the development graphs."""
    masked_model, batch = MaskedModel(task.model), tensors_of(task.test, task.model)
    known = tensors_of(task.development, task.model)
    start = time.process_time()
    if isinstance(interpreter, InformationBottleneck):
        interpreter.collect_statistics(masked_model, [known])
    cut = best_cut(
        interpreter.interpret(masked_model, known),
        truth_of(task.development, masked_model.encoder.num_layers),
    )
    choosing = time.process_time() - start
    own_rule, explaining = timed(lambda: interpreter.interpret(masked_model, batch))
    attribution = cut_by(cut, own_rule)
    changed = changed_share(masked_model, batch, attribution)
    return Explained(attribution, changed, choosing, 0.0, explaining, cut, own_rule)


def explain_at_random(task: Task) -> Explained:
    """As many messages as GraphMask keeps in each layer of each graph, at random places."""
    graphmask = explain_by_graphmask(task, f"{MODELS[task.variant]}_graphmask").attribution
    generator = torch.Generator().manual_seed(task.seed)
    attribution, seconds = timed(lambda: shuffled_attribution(graphmask, generator))
    masked_model, batch = MaskedModel(task.model), tensors_of(task.test, task.model)
    return Explained(attribution, changed_share(masked_model, batch, attribution), 0.0, 0.0, seconds)


#: How each method explains. Other interpreters can be added here: by their own rule, if they decide what to keep, by
#: threshold, if they only rank. docs/results.md says where settings come from.
METHODS: Dict[str, Callable[[Task], Explained]] = {
    "graphmask": lambda task: explain_by_graphmask(task, f"{MODELS[task.variant]}_graphmask"),
    "graphmask_paper": lambda task: explain_by_graphmask(task, "paper_graphmask"),
    "erasure_search": lambda task: explain_by_own_rule(task, ErasureSearch(seed=task.seed)),
    "graphmask_per_instance": lambda task: explain_by_own_rule(task, PerInstanceGraphMask(seed=task.seed)),
    # What is dropped is replaced by zeros, not by a vector that is fitted to the instance.
    "graphmask_per_instance_zeros": lambda task: explain_by_own_rule(
        task, PerInstanceGraphMask(learn_baselines=False, seed=task.seed)
    ),
    "integrated_gradients": lambda task: explain_by_threshold(
        # The many kinks of ReLUs would call for hundreds of steps; scores of 500 steps keep the same messages.
        task,
        IntegratedGradients(completeness_tolerance=None, seed=task.seed),
    ),
    "gradient_x_message": lambda task: explain_by_threshold(task, GradientTimesMessage(seed=task.seed)),
    "leave_one_edge_out": lambda task: explain_by_threshold(task, LeaveOneEdgeOut(seed=task.seed)),
    # Chosen on the development graphs: with the default beta of 10 nothing is kept and all scores are alike.
    "information_bottleneck": lambda task: explain_by_threshold(
        task, InformationBottleneck(beta=0.1, num_steps=50, learning_rate=0.5, seed=task.seed)
    ),
    # The settings of its authors' code.
    "gnn_explainer": lambda task: explain_by_threshold(task, GnnExplainer(seed=task.seed)),
    # Ours: see docs/interpreters.md.
    "gnn_explainer_tuned": lambda task: explain_by_threshold(
        task, GnnExplainer(entropy_coefficient=0.1, size_coefficient=0.05, seed=task.seed)
    ),
    # The coefficients and epochs of the GraphMask authors' code.
    "gnn_explainer_as_compared": lambda task: explain_by_threshold(
        task,
        GnnExplainer(entropy_coefficient=0.001, size_coefficient=0.0005, num_epochs=2000, seed=task.seed),
    ),
    "random": explain_at_random,
    "all_edges": lambda task: explain_by_own_rule(task, AllEdgesInterpreter(seed=task.seed)),
}

#: Trains for minutes.
SLOW = ("graphmask_paper",)

#: The paper's model has one layer, and a search through the messages of two layers would not end.
SINGLE_LAYER_ONLY = ("graphmask_paper", "erasure_search")


def methods_of(variant: str) -> List[str]:
    """Those that can explain this variant."""
    return [name for name in METHODS if variant == "single_layer" or name not in SINGLE_LAYER_ONLY]
