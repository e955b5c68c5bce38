"""A model as interpreters see it: passes with and without gates on the messages of its graph encoder."""

import contextlib
import copy
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.models import Model
from allennlp.training.metrics import Metric

from allennlp_graphmask.graph import relation_names
from allennlp_graphmask.interpret.divergences import Divergence, changed_predictions
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Gate, Messages, intervening


class UnmaskedPass(NamedTuple):
    """
    # Parameters

    batch : `Dict[str, Any]`
        The target's inputs.
    output : `Dict[str, Any]`
        The target's output.
    layers : `List[Messages]`
        The messages of each layer of its graph encoder.
    inputs : `Dict[str, Any]`
        The inputs for further passes: those of the batch and, where the target can take it, what lies below the graph encoder.
    """

    batch: Dict[str, Any]
    output: Dict[str, Any]
    layers: List[Messages]
    inputs: Dict[str, Any]


class MaskedModel:
    """
    Passes through the model to explain, with and without gates, each counting into metrics of its own.

    # Parameters

    target : `Model`
    encoder : `str`, optional (default = `None`)
        The name of its graph encoder, if it has several.
    distribution : `str`, optional (default = `"logits"`)
        The key of the logits in its output.
    mask : `str`, optional (default = `"mask"`)
        The key of their mask in its output.
    edge_label_namespace : `str`, optional (default = `"edge_labels"`)
        Where its vocabulary keeps the relations.
    """

    #: The sets of metrics that passes can count into.
    METRIC_SETS = ("original", "masked", "random", "unreported")

    def __init__(
        self,
        target: Model,
        *,
        encoder: Optional[str] = None,
        distribution: str = "logits",
        mask: str = "mask",
        edge_label_namespace: str = "edge_labels",
    ) -> None:
        self.target = target
        #: The name of each edge type.
        self.relation_names = relation_names(target.vocab, edge_label_namespace)
        self.encoder: GraphEncoder = find_graph_encoder(target, encoder)[1]
        self.metric_sets = MetricSets(target, list(self.METRIC_SETS))
        self._distribution = distribution
        self._mask = mask

    def unmasked(self, batch: Dict[str, Any], metric_set: str) -> UnmaskedPass:
        """
        # Raises

        `RuntimeError` if the encoder does not show the messages of all its layers once.
        """
        encode_nodes = getattr(self.target, "encode_nodes", None)
        recorder = MessageRecorder()
        with torch.no_grad():
            inputs = {**batch, "node_states": encode_nodes(**batch)} if encode_nodes else batch
            with intervening(self.encoder, recorder), self.metric_sets.using(metric_set):
                output = self.target(**inputs)
        if len(recorder.layers) != self.encoder.num_layers:
            raise RuntimeError(
                f"The graph encoder showed {len(recorder.layers)} of its {self.encoder.num_layers} layers. A GraphEncoder must show "
                "the messages of every layer (assert_is_graph_encoder in allennlp_graphmask.testing checks it), and the model must "
                "use it in every forward pass."
            )
        return UnmaskedPass(batch, output, recorder.layers, inputs)

    def masked(
        self,
        unmasked: UnmaskedPass,
        gates: Sequence[Optional[Gate]],
        metric_set: str,
        *,
        with_dropout: bool = False,
    ) -> Dict[str, Any]:
        """
        The target's output for the same inputs when the messages of each layer are gated; `None` leaves a layer open. What
        the unmasked pass has computed is not computed again where it cannot have changed.
        """
        if with_dropout:
            # Nothing is what it was, from the embeddings on.
            with intervening(self.encoder, LayerGates(gates)), self.metric_sets.using(metric_set):
                with stochastic_layers_active(self.target):
                    return self.target(**unmasked.batch)
        gating = LayerGates(gates, unmasked.layers)
        with intervening(self.encoder, gating), self.metric_sets.using(metric_set):
            return self.target(**unmasked.inputs)

    def divergence(
        self, divergence: Divergence, original: Dict[str, Any], masked: Dict[str, Any]
    ) -> torch.Tensor:
        """
        From the output of an unmasked pass to that of a masked one. Shape: `(batch_size,)`.

        # Raises

        `ConfigurationError` if the target's output lacks the logits.
        """
        if self._distribution not in masked:
            raise ConfigurationError(
                f"The output of the model to explain has no '{self._distribution}', only {sorted(masked)}. Name the logits of the "
                'distribution to preserve by "distribution".'
            )
        return divergence(original[self._distribution], masked[self._distribution], original.get(self._mask))

    def changed(self, original: Dict[str, Any], masked: Dict[str, Any]) -> torch.Tensor:
        """Whether any prediction of each instance differs. Shape: `(batch_size,)`, `torch.bool`."""
        return changed_predictions(
            original[self._distribution], masked[self._distribution], original.get(self._mask)
        )


class MessageRecorder:
    """
    Keeps the (lazy) messages of every layer of one forward pass, from the bottom, in `layers`. It never answers, so that it
    can be nested with an intervention that does.

    # Raises

    `RuntimeError` if the encoder shows its layers out of order, which it does when it runs twice in one forward pass.
    """

    def __init__(self) -> None:
        self.layers: List[Messages] = []

    def __call__(self, messages: Messages) -> Optional[Gate]:
        if messages.layer != len(self.layers):
            raise RuntimeError(
                f"The graph encoder showed layer {messages.layer} where layer {len(self.layers)} was expected. An encoder that "
                "runs several times in one forward pass cannot be explained: which of its runs should the scores be for?"
            )
        self.layers.append(messages)
        return None


class LayerGates:
    """
    Gates the messages of each layer.

    # Parameters

    gates : `Sequence[Optional[Gate]]`
        One for each layer, from the bottom; `None` leaves a layer alone.
    recorded : `Sequence[Messages]`, optional (default = `()`)
        The messages of all layers of an earlier pass over the same input, in evaluation mode as this one. Layers below
        which nothing is gated, the bottom one always, do not compute theirs again.
    """

    def __init__(self, gates: Sequence[Optional[Gate]], recorded: Sequence[Messages] = ()) -> None:
        self.gates = list(gates)
        self.recorded = list(recorded)

    def __call__(self, messages: Messages) -> Optional[Gate]:
        if self.recorded:
            messages.reuse(self.recorded[messages.layer])
        return self.gates[messages.layer]


def find_graph_encoder(model: Model, name: Optional[str] = None) -> Tuple[str, GraphEncoder]:
    """
    The graph encoder in a model and its name there.

    # Parameters

    model : `Model`
    name : `str`, optional
        The dotted name of the encoder, for models with several.

    # Raises

    `ConfigurationError` if there is none, or several and no name.
    """
    encoders = [(path, module) for path, module in model.named_modules() if isinstance(module, GraphEncoder)]
    if name is not None:
        for path, encoder in encoders:
            if path == name:
                return path, encoder
        raise ConfigurationError(
            f"The model {type(model).__name__} has no GraphEncoder named '{name}'; it has {[path for path, _ in encoders]}."
        )
    if len(encoders) != 1:
        raise ConfigurationError(
            f"The model {type(model).__name__} must contain exactly one GraphEncoder to be explained; it has "
            f"{[path for path, _ in encoders]}." + (' Choose one by "encoder".' if encoders else "")
        )
    return encoders[0]


class MetricSets:
    """
    Gives each of several passes through one model its own copies of the model's metrics, so that the scores before and after
    masking come apart.

    Metrics are found as attributes of the model and its sub-modules, alone or in a dict or list.
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
            # an entry of a dict, say) stays one metric, because all copies of one set are made with one memo.
            memo = {id(model.vocab): model.vocab}
            self._copies[name] = [
                copy.deepcopy(vars(module)[attribute], memo) for module, attribute in self._holders
            ]

    @contextlib.contextmanager
    def using(self, name: str) -> Iterator[None]:
        """While open, the model counts into the metrics of this name."""
        own = [vars(module)[attribute] for module, attribute in self._holders]
        for (module, attribute), value in zip(self._holders, self._copies[name]):
            vars(module)[attribute] = value
        try:
            yield
        finally:
            for (module, attribute), value in zip(self._holders, own):
                vars(module)[attribute] = value

    def get_metrics(self, name: str, reset: bool) -> Dict[str, float]:
        with self.using(name):
            return self._model.get_metrics(reset=reset)


def _holds_metrics(value: Any) -> bool:
    if isinstance(value, Metric):
        return True
    if isinstance(value, dict):
        return any(isinstance(element, Metric) for element in value.values())
    return isinstance(value, (list, tuple)) and any(isinstance(element, Metric) for element in value)


@contextlib.contextmanager
def stochastic_layers_active(model: torch.nn.Module) -> Iterator[None]:
    """
    While open, the model is in training mode but for normalisation layers, which would otherwise change the statistics that
    they keep. The flags are restored in any case.
    """
    flags = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in flags:
            module.training = not isinstance(module, torch.nn.modules.batchnorm._NormBase)
        yield
    finally:
        for module, flag in flags:
            module.training = flag


@contextlib.contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """
    While open, the model is in evaluation mode and none of its parameters asks for a gradient: what an interpreter
    differentiates are its own gates. Modes and flags are restored in any case.
    """
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        model.eval()
        for parameter, _ in gradients:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, asks in gradients:
            parameter.requires_grad_(asks)
