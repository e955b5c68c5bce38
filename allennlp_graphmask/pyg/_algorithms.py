"""Algorithms for the `Explainer` of PyTorch Geometric."""

import copy
import itertools
import logging
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.models import Model
from torch_geometric.data import Batch, Data
from torch_geometric.explain import ExplainerAlgorithm, Explanation

from allennlp_graphmask.checks import check_at_least
from allennlp_graphmask.interpret.graphmask import GraphMask as GraphMaskModel
from allennlp_graphmask.interpret.graphmask.threshold import choose_threshold
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask, Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.pyg._surroundings import surroundings, surroundings_of_call
from allennlp_graphmask.pyg.model import ModelInput, OutputKind, PygModel, model_arguments

logger = logging.getLogger(__name__)


#: On how many steps' nodes the threshold is chosen.
_MAX_THRESHOLD_STEPS = 12


class EdgeInterpreterAlgorithm(ExplainerAlgorithm):  # type: ignore[misc]  # PyG has no types
    """
    Explains a model of PyTorch Geometric by an interpreter of this package. Node, edge and graph level classification on homogeneous
    graphs; what is explained are the model's own predictions (`explanation_type="model"`), by a mask of edges
    (`edge_mask_type="object"`).

    Layers are the model's convolutions in the order of their calls: one that is called twice is two. Those with `explain = False` are left
    out. The `Explanation` has

    - `edge_mask`, the largest score of an edge in any layer, from 0 to 1, shape `(num_edges,)`, and `edge_mask_per_layer`, shape
      `(num_edges, num_layers)`. Scores of interpreters that do not lie between 0 and 1 are mapped there, their order kept;
    - `edge_kept` and `edge_kept_per_layer`, the decisions: `torch.bool`, of the same shapes;
    - `divergence` and `changed`: how far predictions with the kept messages alone are from those with all, and whether they differ, for
      each graph (all explained nodes or edges together);
    - `divergence_name`, `interpreter_name`, and `layer_names`, the paths of the convolutions in the model.

    Where nodes are classified, what is explained is the part of the graph around them, if the model's output is the same there. The model is
    left as it was. Self-loops that a convolution adds are not edges of the graph and are never dropped, unless they are
    explained: then there are also `self_loop_mask_per_layer` and `self_loop_kept_per_layer`, both of shape `(num_nodes, num_layers)`.

    # Parameters

    interpreter : `str` or `Interpreter`
        A registered name, such as `"integrated_gradients"`.
    explain_self_loops : `bool`, optional (default = `False`)
        Whether the self-loops that convolutions add are scored and can be dropped, as edges are. Where a convolution adds none, they
        have no effect.
    settings
        Of the interpreter, by name.
    """

    def __init__(
        self, interpreter: Union[str, Interpreter], *, explain_self_loops: bool = False, **settings: Any
    ) -> None:
        super().__init__()
        self.explain_self_loops = explain_self_loops
        self.name = interpreter if isinstance(interpreter, str) else type(interpreter).__name__
        if isinstance(interpreter, str):
            interpreter = Interpreter.from_params(Params(copy.deepcopy({"type": interpreter, **settings})))
        elif settings:
            raise ConfigurationError(f"The interpreter has its settings already: leave out {', '.join(settings)}.")
        self.interpreter = interpreter

    def supports(self) -> bool:
        """Return whether the settings of the `Explainer` can be had; what cannot is logged."""
        config, model_config = self.explainer_config, self.model_config
        refused = {
            f"explanation_type {config.explanation_type.value!r}, expected 'model'": config.explanation_type.value
            != "model",
            "node_mask_type, which is not None: only edges are scored": config.node_mask_type is not None,
            "edge_mask_type None, expected 'object'": config.edge_mask_type is None,
            "mode 'regression', expected a classification": model_config.mode.value == "regression",
        }
        for what in (what for what, is_refused in refused.items() if is_refused):
            logger.error("%s does not support %s.", type(self).__name__, what)
        return not any(refused.values())

    @property
    def output_kind(self) -> OutputKind:
        """The kind of output that the `Explainer` was told the model has."""
        config = self.model_config
        return OutputKind(config.mode.value, config.task_level.value, config.return_type.value)

    def forward(
        self,
        model: torch.nn.Module,
        x: torch.Tensor,
        edge_index: torch.Tensor,
        *,
        target: torch.Tensor,
        index: Optional[Union[int, torch.Tensor]] = None,
        **kwargs: Any,
    ) -> Explanation:
        """Explain the predictions for a graph, or a batch of graphs; `Explainer` calls this."""
        if isinstance(index, int):
            index = torch.tensor([index])
        level, relations = self.output_kind.task_level, self._num_relations(kwargs)
        call = ModelInput.build(x, edge_index, kwargs, index, level, relations, self.explain_self_loops)
        if not call.graph.num_edges:
            raise ConfigurationError("The graph has no edges, so there is nothing to explain.")
        masked_model = self._masked_model(model, call)
        with masked_model.explaining():
            unmasked, messages = self._unmasked(masked_model, call)
            attribution = self.interpreter.attribute(masked_model, unmasked)
            with torch.no_grad():
                masked = masked_model.masked(unmasked, list(attribution.gates()))
            divergence = masked_model.divergence(self.interpreter.reported_divergence, unmasked, masked)
            changed = masked_model.changed(unmasked, masked)
        num_edges, shape = edge_index.size(1), (len(messages), attribution.num_layers)
        scores, kept = (torch.stack(layers, dim=-1) for layers in (attribution.scores, attribution.kept))
        # Messages from farther away have no effect.
        scores, kept = (one.new_zeros(shape).index_put((messages,), one) for one in (scores, kept))
        scores, loop_scores = _between_0_and_1(scores).to(x.dtype).tensor_split([num_edges])
        kept, loop_kept = kept.tensor_split([num_edges])
        of_loops = (
            {"self_loop_mask_per_layer": loop_scores, "self_loop_kept_per_layer": loop_kept}
            if self.explain_self_loops
            else {}
        )
        return Explanation(
            edge_mask=scores.amax(-1),
            edge_mask_per_layer=scores,
            edge_kept=kept.any(-1),
            edge_kept_per_layer=kept,
            divergence=divergence.detach(),
            changed=changed,
            divergence_name=self.interpreter.reported_divergence.name,
            interpreter_name=self.name,
            layer_names=[layer.convolution for layer in masked_model.encoder.layers],  # type: ignore[union-attr]
            **of_loops,
        )

    def _unmasked(self, masked_model: MaskedModel, call: ModelInput) -> Tuple[UnmaskedPass, torch.Tensor]:
        """
        Record the pass to explain: where nodes are classified that over the part of the graph around them, which is what `GraphMask.fit`
        sees, if their logits are the same there. Return it, and which edges of the graph it has. Shape: `(num_edges,)`, `torch.bool`.
        """
        whole = masked_model.unmasked({"call": call})
        if self.output_kind.task_level == "node":
            part, edges = surroundings_of_call(call, len(whole.layers))
            if part.graph.num_edges:
                within = masked_model.unmasked({"call": part})
                off = (within.output["logits"] - whole.output["logits"]).abs()
                if bool((off <= masked_model.logit_rounding(whole)).all()):
                    return within, edges
        return whole, torch.ones_like(call.graph.edge_type, dtype=torch.bool)

    def _num_relations(self, arguments: Dict[str, Any]) -> int:
        return _num_relations(arguments.get("edge_type"))

    def _masked_model(self, model: torch.nn.Module, call: ModelInput) -> MaskedModel:
        return MaskedModel(PygModel(model, call, self.output_kind, self._num_relations(call.arguments)))


class GraphMask(EdgeInterpreterAlgorithm):
    """
    GraphMask ([Schlichtkrull, De Cao and Titov, 2021](https://arxiv.org/abs/2010.00577)): a small network that is trained once to see which
    messages a model does not need, and then explains each graph in a pass. Call `fit` before explaining.

    What it gives is as for `EdgeInterpreterAlgorithm`; scores are above one half exactly for kept messages, so that
    `threshold_config=("hard", 0.5)` gives the edges that are kept in some layer.

    # Parameters

    num_steps : `int`, optional (default = `200`)
        Of training; the data are gone through as often as that takes.
    learning_rate : `float`, optional (default = `0.01`)
        Of Adam, with linear decay.
    batch_size : `int`, optional (default = `16`)
        The number of nodes in a step, where nodes are classified.
    max_changed : `float`, optional (default = `0.05`)
        The share of predictions that may change: the threshold keeps the fewest messages for which no more do on the data of `fit`.
    seed : `int`, optional (default = `0`)
    verify : `bool`, optional (default = `False`)
        See `Interpreter`.
    explain_self_loops : `bool`, optional (default = `False`)
        See `EdgeInterpreterAlgorithm`.
    settings
        Of the model `graphmask`, in the form of a config: `masker`, `objective`, `divergence`, ...
    """

    #: The defaults of `settings`.
    default_settings: Dict[str, Any] = {
        "masker": {"type": "edgewise", "hidden_dim": 64, "num_hidden_layers": 2, "features": ["size", "gradient"]},
        "objective": {"type": "all_budgets"},
    }

    def __init__(
        self,
        *,
        num_steps: int = 200,
        learning_rate: float = 0.01,
        batch_size: int = 16,
        max_changed: float = 0.05,
        seed: int = 0,
        verify: bool = False,
        explain_self_loops: bool = False,
        **settings: Any,
    ) -> None:
        ExplainerAlgorithm.__init__(self)
        self.name = "graphmask"
        self.explain_self_loops = explain_self_loops
        check_at_least("GraphMask", 1, num_steps=num_steps, batch_size=batch_size)
        self.num_steps = num_steps
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_changed = max_changed
        self.seed = seed
        self._verify = verify
        self._settings = {**self.default_settings, **settings}
        self._relations = 1
        #: The trained model, `None` before `fit`.
        self.graphmask: Optional[GraphMaskModel] = None

    def fit(
        self, model: torch.nn.Module, data: Union[Data, Iterable[Data]], *, index: Optional[torch.Tensor] = None
    ) -> "GraphMask":
        """
        Train for a model, which stays as it is: what is trained sees a copy. Random numbers elsewhere are not disturbed.

        # Parameters

        model : `torch.nn.Module`
        data : `Data` or `Iterable[Data]`
            A graph whose nodes or edges are classified, or a loader of graphs, read again and again. The model is called with `x`,
            `edge_index` and whatever its `forward` names that the data have.
        index : `torch.Tensor`, optional (default = all)
            Where nodes or edges of one graph are classified, those to train with: numbers, or a mask of type `torch.bool`.

        # Raises

        `ConfigurationError` if the data have no edges, none has an effect on what `index` chooses, or the model cannot be explained; see
        `PygModel`.
        """
        if index is not None:
            index = torch.as_tensor(index)
            index = index.nonzero().squeeze(-1) if index.dtype == torch.bool else index.view(-1)
            if not len(index):
                raise ConfigurationError("GraphMask cannot be trained: `index` chooses nothing.")
        graphs = [data] if isinstance(data, Data) else data
        relations, example = 1, None
        for one in graphs:
            relations = max(relations, _num_relations(one.get("edge_type")))
            if example is None and one.num_edges:
                example = one
        if example is None:
            raise ConfigurationError("GraphMask cannot be trained: the data have no graph with an edge.")
        self._relations = relations
        arguments = model_arguments(model, example)
        level, has_self_loops = self.output_kind.task_level, self.explain_self_loops
        call = ModelInput.build(example.x, example.edge_index, arguments, None, level, relations, has_self_loops)
        target = PygModel(model, call, self.output_kind, relations)
        devices = [call.x.device] if call.x.is_cuda else []
        with torch.random.fork_rng(devices=devices):
            # Not `torch.manual_seed`, which seeds the generators of all GPUs.
            torch.default_generator.manual_seed(self.seed)
            for device in devices:
                torch.cuda.default_generators[device.index].manual_seed(self.seed)
            settings = Params(copy.deepcopy({"type": "graphmask", **self._settings}))
            graphmask = Model.from_params(settings, vocab=target.vocab, target=target).to(call.x.device)
            assert isinstance(graphmask, GraphMaskModel)
            self._train(graphmask, graphs, index)
        self.graphmask = graphmask
        self.interpreter = AmortisedGraphMask(graphmask=graphmask, verify=self._verify)
        return self

    def _train(self, graphmask: GraphMaskModel, graphs: Iterable[Data], index: Optional[torch.Tensor]) -> None:
        graphmask.in_training_run, graphmask.measures_controls = True, False
        parameters = [parameter for parameter in graphmask.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, self.num_steps)
        graphmask.train()
        again = self._calls_again(graphmask, graphs, index)
        for step, call in enumerate(itertools.islice(again, self.num_steps)):
            optimizer.zero_grad()
            loss = graphmask(call=call)["loss"]
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            logger.debug("GraphMask: step %d, loss %.4f", step, float(loss.detach()))
        graphmask.get_metrics(reset=True)
        graphmask.eval()
        graphmask.in_training_run = False
        # Many steps of nodes are enough.
        limit = _MAX_THRESHOLD_STEPS if self.output_kind.task_level == "node" else None
        calls = [{"call": call} for call in itertools.islice(self._calls(graphmask, graphs, index), limit)]
        chosen = choose_threshold(graphmask, calls, self.max_changed)[0]
        graphmask.set_threshold(graphmask.focus, chosen.threshold)
        graphmask.training_summary = {"threshold_choice": {"max_changed": self.max_changed, **chosen._asdict()}}

    def _calls_again(
        self, graphmask: GraphMaskModel, graphs: Iterable[Data], index: Optional[torch.Tensor]
    ) -> Iterator[ModelInput]:
        """Yield the calls for the data again and again."""
        while True:
            call = None
            for call in self._calls(graphmask, graphs, index):
                yield call
            if call is None:
                raise ConfigurationError("GraphMask cannot be trained: no edge has an effect on what `index` chooses.")

    def _calls(
        self, graphmask: GraphMaskModel, graphs: Iterable[Data], index: Optional[torch.Tensor]
    ) -> Iterator[ModelInput]:
        target = graphmask.target
        assert isinstance(target, PygModel)
        level = self.output_kind.task_level
        for data in graphs:
            if level != "node":
                if data.num_edges:
                    arguments = model_arguments(target.model, data)
                    yield ModelInput.build(
                        data.x, data.edge_index, arguments, index, level, self._relations, self.explain_self_loops
                    )
                continue
            nodes = torch.arange(data.num_nodes) if index is None else index.cpu()
            for chosen in nodes[torch.randperm(len(nodes))].split(self.batch_size):
                # A node as an instance: the part of the graph that its prediction is computed from.
                parts = []
                for node in chosen:
                    part, near, _ = surroundings(data, node.view(1), target.layers.num_layers)
                    part.root = near == node
                    parts.append(part)
                batch = Batch.from_data_list(parts)
                if batch.num_edges:
                    arguments = {
                        name: value for name, value in model_arguments(target.model, batch).items() if name != "batch"
                    }
                    yield ModelInput(
                        batch.x,
                        batch.edge_index,
                        arguments,
                        batch.root.nonzero(),
                        batch.root,
                        torch.ones(len(parts), dtype=torch.bool, device=batch.x.device),
                        self._relations,
                        batch.batch,
                        self.explain_self_loops,
                    )

    def _num_relations(self, arguments: Dict[str, Any]) -> int:
        return self._relations

    def _masked_model(self, model: torch.nn.Module, call: ModelInput) -> MaskedModel:
        if self.graphmask is None:
            raise ConfigurationError(
                "GraphMask has not been trained: call algorithm.fit(model, data) before the explainer."
            )
        target = self.graphmask.target
        assert isinstance(target, PygModel)
        own, others = (
            {name: value for name, value in one.state_dict().items() if isinstance(value, torch.Tensor)}
            for one in (target.model, model)
        )
        if own.keys() != others.keys() or not all(torch.equal(own[name], others[name]) for name in own):
            raise ConfigurationError(
                "The model to explain is not the one that GraphMask was trained for, or has been trained since: call fit again."
            )
        return self.graphmask.masked_model


def _num_relations(edge_type: Optional[torch.Tensor]) -> int:
    return 1 if edge_type is None or not len(edge_type) else int(edge_type.max()) + 1


def _between_0_and_1(scores: torch.Tensor) -> torch.Tensor:
    """Return scores mapped to [0, 1] with their order kept, if they are not there. If all are equal, they become one."""
    if not scores.numel():
        return scores
    low, high = scores.min(), scores.max()
    if low >= 0 and high <= 1:
        return scores
    return (scores - low) / (high - low) if high > low else torch.ones_like(scores)


__all__: List[str] = ["EdgeInterpreterAlgorithm", "GraphMask"]
