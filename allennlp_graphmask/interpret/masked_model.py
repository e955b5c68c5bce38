"""A model as interpreters see it: passes with and without gates on the messages of its graph encoder."""

import contextlib
import copy
import inspect
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.models import Model
from allennlp.training.metrics import Metric

from allennlp_graphmask.focus import (
    WHOLE_PREDICTION,
    Focus,
    default_focus,
    reachable_messages,
    select_instances,
    select_states,
    unknown_focus,
    whole_prediction,
)
from allennlp_graphmask.graph import Graph, relation_names
from allennlp_graphmask.interpret.divergences import Divergence, broadcast_mask, changed_predictions
from allennlp_graphmask.interpret.model_state import evaluating, one_thread_at_a_time, stochastic_layers_active
from allennlp_graphmask.modules.finite import check_finite
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Gate, Messages, OneCall, intervening
from allennlp_graphmask.restoring import restoring
from allennlp_graphmask.rounding import logit_rounding


class UnmaskedPass(NamedTuple):
    """The model's inputs, its output, and the messages of each layer of its graph encoder."""

    batch: Dict[str, Any]
    output: Dict[str, Any]
    layers: List[Messages]
    #: The inputs for further passes: those of the batch and, where the model takes it, what lies below the graph encoder.
    inputs: Dict[str, Any]
    #: The part of the predictions that is explained.
    focus: Focus

    @property
    def graph(self) -> Graph:
        """The graph whose messages are explained."""
        return self.layers[0].graph

    def reachable(self) -> List[torch.Tensor]:
        """Return the messages of each layer that can have an effect on the focus. Shape of each: `(num_edges,)`, `torch.bool`."""
        return reachable_messages(self.graph, self.focus.nodes, len(self.layers))


class MaskedModel:
    """
    Passes through the model to explain, with and without gates, each counting into metrics of its own.

    Passes set modes and metrics of the model while they run, so one loaded model serves one thread at a time.

    # Parameters

    target : `Model`
        The model to explain.
    encoder : `str`, optional (default = `None`)
        The name of its graph encoder, if it has several. Of one that runs several times in a forward pass also which call is
        explained, from 0: `"graph_encoder@1"` is the second.
    distribution : `str`, optional (default = `"logits"`)
        The key of the logits in its output.
    mask : `str`, optional (default = `"mask"`)
        The key of their mask in its output.
    edge_label_namespace : `str`, optional (default = `"edge_labels"`)
        The namespace of the relations in its vocabulary.
    focus : `str`, optional (default = the model's `default_focus`)
        The part of the predictions that is explained; see `Focus`.

    # Raises

    `ConfigurationError` if the model has no graph encoder, or several and no name is given. `RuntimeError` from a pass while
    another thread runs one on the same model.
    """

    #: The sets of metrics that passes can count into.
    METRIC_SETS = ("original", "masked", "random", "dropped", "unreported")

    def __init__(
        self,
        target: Model,
        *,
        encoder: Optional[str] = None,
        distribution: str = "logits",
        mask: str = "mask",
        edge_label_namespace: str = "edge_labels",
        focus: Optional[str] = None,
    ) -> None:
        self.target = target
        path, at, call = (encoder or "").partition("@")
        if at and not call.isdecimal():
            raise ConfigurationError(
                f"encoder is {encoder!r}, expected after '@' which call of it is explained, from 0: '{path}@0'."
            )
        self.encoder: GraphEncoder = find_graph_encoder(target, path or None)[1]
        self._call = int(call) if at else None
        #: Whether the states above the layers that are explained are those that predictions are computed from.
        self._is_last = self._call is None and len(find_graph_encoders(target)) == 1
        self.encoder.check_contract(for_masking_only=True)
        self.metric_sets = MetricSets(target, list(self.METRIC_SETS))
        self._distribution = distribution
        self._mask = mask
        self._edge_label_namespace = edge_label_namespace
        self.focus = default_focus(target) if focus is None else focus

    @property
    def relation_names(self) -> List[str]:
        """The name of each edge type. There are more when the model's vocabulary has grown."""
        return relation_names(self.target.vocab, self._edge_label_namespace)

    def unmasked(
        self, batch: Dict[str, Any], metric_set: str = "unreported", focus: Optional[str] = None
    ) -> UnmaskedPass:
        """
        Run the model with all messages and record them. Raise a `RuntimeError` as `record` does, and a `ConfigurationError` if the
        model does not know the focus.
        """
        focus = focus or self.focus
        found = self.focused(self.record(batch, metric_set), focus)
        if len(found) != 1:
            raise ConfigurationError(
                f"The focus {focus!r} stands for several parts of a prediction, of which each is explained by itself: it is for "
                "`allennlp explain --focus` and for predictors."
            )
        return found[0]

    def record(self, batch: Dict[str, Any], metric_set: str = "unreported", node_states: Any = None) -> UnmaskedPass:
        """
        Run the model with all messages and record them; the focus is everything that it predicts. `node_states` are what the model's
        `encode_nodes` gives, if it is known already. Raise a `RuntimeError` if the encoder does not show the messages of all its layers
        once, a `ConfigurationError` if the batch is not of the model's inputs.
        """
        encode_nodes = getattr(self.target, "encode_nodes", None)
        recorder = MessageRecorder()
        try:
            with torch.no_grad(), self._pass(recorder, metric_set):
                if node_states is None and encode_nodes is not None:
                    node_states = encode_nodes(**batch)
                inputs = batch if node_states is None else {**batch, "node_states": node_states}
                output = self.target(**inputs)
        except TypeError:
            self._check_takes(batch)
            raise
        if len(recorder.layers) != self.encoder.num_layers:
            calls = "" if self._call is None else f" in call {self._call}"
            raise RuntimeError(
                f"The graph encoder showed {len(recorder.layers)} of its {self.encoder.num_layers} layers{calls}. A GraphEncoder must "
                "show the messages of every layer (assert_is_graph_encoder in allennlp_graphmask.testing checks it), and the model "
                "must use it in every forward pass."
            )
        whole = whole_prediction(output.get(self._mask), recorder.layers[0].graph)
        return UnmaskedPass(batch, output, recorder.layers, inputs, whole)

    def _check_takes(self, batch: Dict[str, Any]) -> None:
        """Raise a `ConfigurationError` if the inputs are not those of the model."""
        try:
            inspect.signature(self.target.forward).bind(**batch)
        except TypeError as error:
            raise ConfigurationError(
                f"{type(self.target).__name__} cannot be called with the instances of this dataset reader, which have {', '.join(batch)}: "
                f"{error}. Use the dataset reader that the model was trained with, or the config of GraphMask for this model."
            ) from error

    def focused(self, unmasked: UnmaskedPass, focus: str) -> List[UnmaskedPass]:
        """
        Return the pass with another focus; several if the name stands for several parts of a prediction. Raise a `ConfigurationError`
        if the model does not know the name.
        """
        get_foci = getattr(self.target, "get_foci", None)
        if get_foci is not None:
            foci = get_foci(focus, unmasked.batch, unmasked.output, unmasked.graph)
        elif focus == WHOLE_PREDICTION:
            foci = [whole_prediction(unmasked.output.get(self._mask), unmasked.graph)]
        else:
            raise unknown_focus(self.target, focus, f"{WHOLE_PREDICTION!r}: it has no method get_foci")
        if not self._is_last:
            # Messages also have an effect through what runs above: on all nodes, as far as is known here.
            foci = [one._replace(nodes=torch.ones_like(one.nodes)) for one in foci]
        return [unmasked._replace(focus=one) for one in foci]

    def select(self, unmasked: UnmaskedPass, instances: torch.Tensor) -> Optional[UnmaskedPass]:
        """
        Make a pass over some instances, numbers in ascending order. Return `None` if they are all of the batch, or cannot be told apart
        in it.
        """
        batch_size = unmasked.graph.num_graphs
        if len(instances) == batch_size:
            return None
        try:
            batch = select_instances(unmasked.batch, instances, batch_size)
        except TypeError:  # a field that is collated in a way of its own
            return None
        graph = unmasked.graph
        try:
            node_states = select_states(unmasked.inputs.get("node_states"), instances, graph)
        except TypeError:  # there are none, or of a shape that the model alone knows: they are computed again
            node_states = None
        return self.record(batch, node_states=node_states)._replace(focus=unmasked.focus.select(instances, graph))

    def masked(
        self,
        unmasked: UnmaskedPass,
        gates: Sequence[Optional[Gate]],
        metric_set: str = "unreported",
        *,
        with_dropout: bool = False,
    ) -> Dict[str, Any]:
        """
        Return the model's output for the same inputs when the messages of each layer are gated; `None` leaves a layer as it is.
        What the unmasked pass has computed is not computed again where it cannot have changed.
        """
        if with_dropout:
            # Everything differs, from the embeddings on.
            with self._pass(LayerGates(gates), metric_set), stochastic_layers_active(self.target):
                return self.target(**unmasked.batch)
        with self._pass(LayerGates(gates, unmasked.layers), metric_set):
            return self.target(**unmasked.inputs)

    @contextlib.contextmanager
    def _pass(self, intervention: Any, metric_set: str) -> Iterator[None]:
        target, metric_sets = self.target, self.metric_sets
        if self._call is not None:
            intervention = OneCall(intervention, self._call)
        with one_thread_at_a_time(target), intervening(self.encoder, intervention), metric_sets.using(metric_set):
            yield

    def explaining(self) -> "contextlib.AbstractContextManager[None]":
        """
        Put the model into evaluation mode, with parameters that ask for no gradient, and keep other threads from explaining it,
        while the context is open.
        """
        return evaluating(self.target)

    def divergence(
        self, divergence: Divergence, unmasked: UnmaskedPass, masked: Dict[str, Any], *, precise: bool = False
    ) -> torch.Tensor:
        """
        Measure a divergence from an unmasked pass to the output of a masked one, in the focus. Shape: `(batch_size,)`. Raise a
        `ConfigurationError` if the model's output lacks the logits.

        With `precise` in double precision, for small divergences and for models that are certain: the difference of a probability
        from one is lost in single precision.
        """
        logits = self.logits(unmasked.output), self.logits(masked)
        if precise:
            logits = logits[0].double(), logits[1].double()
        return divergence(*logits, unmasked.focus.mask)

    def logit_rounding(self, unmasked: UnmaskedPass) -> torch.Tensor:
        """Return by how much the logits of an instance may be off, for `Divergence.rounding`. Shape: `(batch_size,)`."""
        logits = self.logits(unmasked.output)
        mask = broadcast_mask(logits, unmasked.focus.mask) & logits.isfinite()
        # Of each position that counts. Shape: (batch_size, ...)
        off = logit_rounding(logits.masked_fill(~mask, 0).abs().amax(-1)) * mask.any(-1)
        return off.flatten(1).norm(dim=-1) if off.dim() > 1 else off

    def changed(self, unmasked: UnmaskedPass, masked: Dict[str, Any]) -> torch.Tensor:
        """Return whether any prediction in the focus of each instance differs. Shape: `(batch_size,)`, `torch.bool`."""
        return changed_predictions(self.logits(unmasked.output), self.logits(masked), unmasked.focus.mask)

    def logits(self, output: Dict[str, Any]) -> torch.Tensor:
        """Return the logits in an output of the model. Without them, raise a `ConfigurationError`."""
        if self._distribution not in output:
            raise ConfigurationError(
                f"The output of the model to explain has no '{self._distribution}', only {sorted(output)}. Name the logits of the "
                'distribution to preserve by "distribution".'
            )
        return output[self._distribution]

    def with_logits(self, unmasked: UnmaskedPass, logits: torch.Tensor) -> UnmaskedPass:
        """Return the pass with other logits in its output, in place of what the model computed. Shape: that of the model's."""
        return unmasked._replace(output={**unmasked.output, self._distribution: logits})

    def check_finite(self, owner: Model, output: Dict[str, Any], scores: Sequence[torch.Tensor] = ()) -> None:
        """
        Check the logits in an output of the model, and the scores of each layer's messages; see
        `allennlp_graphmask.modules.finite.check_finite`. Their owner is this model, or the one around it.
        """
        logits = self.logits(output)
        # A class may be ruled out by a logit of minus infinity.
        tensors = {self._distribution: logits.clamp(min=torch.finfo(logits.dtype).min)}
        tensors.update((f"scores of layer {layer}", values) for layer, values in enumerate(scores))
        check_finite(owner, **tensors)


class MessageRecorder:
    """
    An intervention that keeps the (lazy) messages of every layer of one forward pass, from the bottom, in `layers`. It
    answers with no gate, so that it can be nested with an intervention that does. It raises a `RuntimeError` if the
    encoder shows its layers out of order, as it does when it runs twice in one forward pass.
    """

    def __init__(self) -> None:
        self.layers: List[Messages] = []

    def __call__(self, messages: Messages) -> Optional[Gate]:
        if messages.layer != len(self.layers):
            raise RuntimeError(
                f"The graph encoder showed layer {messages.layer} where layer {len(self.layers)} was expected. Of an encoder that runs "
                'several times in one forward pass one call is explained: choose it by "encoder", as in "graph_encoder@0".'
            )
        self.layers.append(messages)
        return None


class LayerGates:
    """
    An intervention that gates the messages of each layer, from the bottom; `None` leaves a layer as it is.

    `recorded` are the messages of all layers of an earlier pass over the same input, in evaluation mode as this one.
    They are used again up to and including the first layer with a gate: nothing that these messages are computed from
    can have changed.
    """

    def __init__(self, gates: Sequence[Optional[Gate]], recorded: Sequence[Messages] = ()) -> None:
        self.gates = list(gates)
        self.recorded = list(recorded)
        gated = (layer for layer, gate in enumerate(self.gates) if gate is not None)
        self._first_gated = next(gated, len(self.gates))

    def __call__(self, messages: Messages) -> Optional[Gate]:
        if self.recorded and messages.layer <= self._first_gated:
            messages.reuse(self.recorded[messages.layer])
        return self.gates[messages.layer]


def find_graph_encoders(model: Model) -> Dict[str, GraphEncoder]:
    """Return the graph encoders in a model by their dotted names."""
    return {path: module for path, module in model.named_modules() if isinstance(module, GraphEncoder)}


def find_graph_encoder(model: Model, name: Optional[str] = None) -> Tuple[str, GraphEncoder]:
    """
    Find the graph encoder in a model, of several the one with this dotted name, and return its name there, too. Raise a
    `ConfigurationError` if there is none, or several and no name.
    """
    encoders = find_graph_encoders(model)
    if name is None and len(encoders) == 1:
        return next(iter(encoders.items()))
    if name is not None and name in encoders:
        return name, encoders[name]
    expected = "exactly one GraphEncoder" if name is None else f"a GraphEncoder named '{name}'"
    raise ConfigurationError(
        f"The model {type(model).__name__} must contain {expected} to be explained; it has {list(encoders)}."
        + (' Choose one by "encoder".' if encoders else "")
    )


class MetricSets:
    """
    Copies of a model's metrics, one set for each of several passes, so that the scores before and after masking come apart.

    Metrics are found as attributes of the model and its sub-modules, alone or in a dict or list. While a set is in use, it takes
    the place of the model's own metrics.
    """

    def __init__(self, model: Model, names: List[str]) -> None:
        self._model = model
        self._holders = [
            (module, attribute)
            for module in model.modules()
            for attribute, value in vars(module).items()
            if _holds_metrics(value)
        ]
        self._copies = {}
        for name in names:
            # The vocabulary is shared and not copied: metrics often hold it. A metric known under two names (an attribute and
            # an entry of a dict, for example) stays one metric, because all copies of one set are made with one memo.
            memo = {id(model.vocab): model.vocab}
            self._copies[name] = [copy.deepcopy(value, memo) for value in self._current()]

    @contextlib.contextmanager
    def using(self, name: str) -> Iterator[None]:
        """Make the model count into the metrics of this name while the context is open."""
        own = self._current()
        with restoring(lambda: self._put(own)):
            self._put(self._copies[name])
            yield

    def _current(self) -> List[Any]:
        return [vars(module)[attribute] for module, attribute in self._holders]

    def _put(self, metrics: List[Any]) -> None:
        for (module, attribute), value in zip(self._holders, metrics):
            vars(module)[attribute] = value

    def get_metrics(self, name: str, reset: bool) -> Dict[str, float]:
        with self.using(name):
            return self._model.get_metrics(reset=reset)


def _holds_metrics(value: Any) -> bool:
    elements = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(element, Metric) for element in elements)
