from typing import Any, Dict, Iterator, List, Optional, Sequence

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.common.util import JsonDict
from allennlp.data import Batch, DatasetReader, Instance
from allennlp.data.fields import SequenceField
from allennlp.models import Model
from allennlp.nn.util import move_to_device
from allennlp.predictors import Predictor

from allennlp_graphmask.data.fields import GraphField
from allennlp_graphmask.data.json_lines import parse_object
from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.serialization import dump_json
from allennlp_graphmask.focus import default_focus, foci_by_kind
from allennlp_graphmask.interpret.build_explanation import build_explanation, build_provenance
from allennlp_graphmask.interpret.interpreters import Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass

#: The largest number of words or nodes of a batch, with its padding. 26 predicates of a sentence of 4,000 words took 1.5 GB at once.
_MOST_PADDED = 16_384


class ExplainingPredictor(Predictor):
    """
    Explains the predictions of a model by an interpreter: for each instance one
    [`Explanation`](../explanation/explanation.md).

    JSON input is that of the explained model's own predictor (for `gcn_srl` see `graph_srl`). It can stand for any number of
    instances, so that the output for one input is `{"explanations": [...]}`, each in its JSON form. For instances
    (`--use-dataset-reader`) the output for each is the JSON form of its explanation alone.

    # Parameters

    masked_model : `MaskedModel`
        The model to explain.
    dataset_reader : `DatasetReader`
    interpreter : `Interpreter`
    description : `Dict[str, Any]`
        The description of the interpreter in explanations: `name`, and further entries.
    explaining_model : `Model`, optional (default = the model to explain)
        The model whose weights and config are behind the explanations: that of a trained masker, if there is one.
    config : `Dict[str, Any]`, optional (default = `None`)
        The configuration that this model was trained with, for its fingerprint and seeds in the explanations' provenance.
    frozen : `bool`, optional (default = `True`)
    target_predictor : `str`, optional (default = `None`)
        The registered name of the predictor that turns JSON into instances. The explained model's `default_predictor` if not
        given.
    batch_size : `int`, optional (default = `64`)
        The largest number of instances in one batch, however many one input has; of long ones there are fewer.
    focus : `str`, optional (default = the explained model's `default_focus`)
        The part of each prediction that is explained; see `Focus`.
    target_predictor_arguments : `Dict[str, Any]`, optional (default = `None`)
        Arguments of the target's predictor: `spacy_model`, for example.
    """

    def __init__(
        self,
        masked_model: MaskedModel,
        dataset_reader: DatasetReader,
        *,
        interpreter: Interpreter,
        description: Dict[str, Any],
        explaining_model: Optional[Model] = None,
        config: Optional[Dict[str, Any]] = None,
        frozen: bool = True,
        target_predictor: Optional[str] = None,
        batch_size: int = 64,
        focus: Optional[str] = None,
        target_predictor_arguments: Optional[Dict[str, Any]] = None,
    ) -> None:
        super().__init__(explaining_model or masked_model.target, dataset_reader, frozen)
        self.masked_model = masked_model
        self.interpreter = interpreter
        self.description = description
        self.target_predictor = _build_target_predictor(
            masked_model.target, dataset_reader, target_predictor, frozen, target_predictor_arguments or {}
        )
        self._batch_size = batch_size
        self.focus = default_focus(masked_model.target) if focus is None else focus
        self._config = config
        self._provenance: Optional[Dict[str, Any]] = None

    @property
    def provenance(self) -> Dict[str, Any]:
        """The `provenance` of this predictor's explanations. Computing it reads all weights, once."""
        if self._provenance is None:
            self._provenance = build_provenance(self._model, self._config)
        return self._provenance

    def load_line(self, line: str) -> JsonDict:
        """Read a line of input. Raise a `ConfigurationError` if it is not a JSON object."""
        return parse_object(line, f"The input {line.strip()!r:.80}")

    def dump_line(self, outputs: JsonDict) -> str:
        """Write an output as `Explanation.to_json_line` does."""
        return dump_json(outputs) + "\n"

    def json_to_instances(self, inputs: JsonDict) -> List[Instance]:
        """Make all instances of one input by the target's predictor."""
        if self.target_predictor is None:
            raise ConfigurationError(
                f"{type(self.masked_model.target).__name__} has no predictor that turns JSON into instances. Name one by "
                '"target_predictor", or explain a file for its reader (--use-dataset-reader).'
            )
        json_to_instances = getattr(self.target_predictor, "json_to_instances", None)
        if json_to_instances is not None:
            return json_to_instances(inputs)
        return [self.target_predictor._json_to_instance(inputs)]

    def explain_instances(self, instances: List[Instance]) -> List[Explanation]:
        """
        Explain any number of instances; the more there are, the faster, as those of about the same length go into one batch.

        # Returns

        `List[Explanation]`
            In the order of the instances, one for each; with a focus that stands for several parts of a prediction, one for each part,
            and for an instance without any a single one whose focus has no `description`.
        """
        return [explanation for group in self.explain_groups(instances) for explanation in group]

    def explain_groups(self, instances: List[Instance]) -> List[List[Explanation]]:
        """Explain as `explain_instances`; return the explanations of each instance."""
        explanations: Dict[int, List[Explanation]] = {}
        for numbers in _group_by_size([_length(instance) for instance in instances], self._batch_size):
            batch = [instances[number] for number in numbers]
            explanations.update(zip(numbers, self._explain_batch(batch)))
        return [explanations[number] for number in range(len(instances))]

    def _explain_batch(self, instances: List[Instance]) -> List[List[Explanation]]:
        for instance in instances:
            self._dataset_reader.apply_token_indexers(instance)
        model, target = self.masked_model, self.masked_model.target
        batch = Batch(instances)
        batch.index_instances(target.vocab)
        inputs = batch.as_tensor_dict()
        device = target._get_prediction_device()
        if device >= 0:  # On the CPU nothing would be moved, and all metadata be copied word by word.
            inputs = move_to_device(inputs, device)
        groups: List[List[Explanation]] = [[] for _ in instances]
        with model.explaining(), torch.no_grad():
            whole = model.record(inputs)
            model.check_finite(self._model, whole.output)
            parts = model.focused(whole, self.focus)
            described = [self.interpreter.describe(unmasked.focus.kind) for unmasked in parts]
            outputs = [self._explain_focus(*part) for part in zip(parts, described)]
            # Last, because it changes the output.
            original = target.make_output_human_readable(whole.output).get("prediction", [None] * len(instances))
        for part, (unmasked, output) in enumerate(zip(parts, outputs)):
            description = {**described[part], **self.description}
            for number, instance in enumerate(instances):
                if part and unmasked.focus.descriptions[number] is None:
                    continue
                explained = {name: values[number] for name, values in output.items()}
                groups[number].append(
                    build_explanation(
                        instance,
                        {"original_prediction": original[number], **explained},
                        interpreter=description,
                        provenance=self.provenance,
                    )
                )
        return groups

    def _explain_focus(self, unmasked: UnmaskedPass, described: Dict[str, Any]) -> Dict[str, Any]:
        """
        Explain one part of the predictions of a batch by the interpreter, as it is described for that. Return what `build_explanation`
        takes, for each instance.
        """
        model = self.masked_model
        attribution = self.interpreter.attribute(model, unmasked)
        masked = model.masked(unmasked, attribution.gates())
        model.check_finite(self._model, masked, attribution.scores)
        changed = model.changed(unmasked, masked).tolist()
        divergence = model.divergence(self.interpreter.reported_divergence, unmasked, masked).tolist()
        readable = model.target.make_output_human_readable(masked)
        return {
            "attribution": attribution.split(),
            "changed": changed,
            "divergence": divergence,
            "masked_prediction": readable.get("prediction", [None] * len(changed)),
            "focus": self._describe_focus(unmasked, described.get("trained_foci")),
        }

    def _describe_focus(self, unmasked: UnmaskedPass, trained_foci: Optional[List[str]]) -> List[Dict[str, Any]]:
        focus = unmasked.focus
        covering = foci_by_kind(self.masked_model.target).get(focus.kind, focus.kind)
        nodes = focus.nodes.split(unmasked.graph.nodes_per_graph.tolist())
        return [
            {
                "name": self.focus,
                "kind": focus.kind,
                "description": description,
                "nodes": own.nonzero().squeeze(-1).tolist(),
                "trained": None if trained_foci is None else covering in trained_foci,
            }
            for description, own in zip(focus.descriptions, nodes)
        ]

    def explain_json(self, inputs: JsonDict) -> List[Explanation]:
        """Explain one input. Raise a `ConfigurationError` if it is not an object that the target's predictor reads."""
        if not isinstance(inputs, dict):
            text_to_json = getattr(self.target_predictor, "text_to_json", None)
            example = "" if text_to_json is None else f", such as {text_to_json('...')} for a text"
            raise ConfigurationError(f"The input is {inputs!r:.60}, expected a dictionary{example}.")
        return self.explain_instances(self.json_to_instances(inputs))

    def predict_json(self, inputs: JsonDict) -> JsonDict:
        return self.predict_batch_json([inputs])[0]

    def predict_batch_json(self, inputs: List[JsonDict]) -> List[JsonDict]:
        instances = [self.json_to_instances(one_input) for one_input in inputs]
        groups = iter(self.explain_groups([instance for group in instances for instance in group]))
        return [
            {"explanations": [explanation.to_dict() for _ in group for explanation in next(groups)]}
            for group in instances
        ]

    def predict_instance(self, instance: Instance) -> JsonDict:
        return self.predict_batch_instance([instance])[0]

    def predict_batch_instance(self, instances: List[Instance]) -> List[JsonDict]:
        groups = [[explanation.to_dict() for explanation in group] for group in self.explain_groups(instances)]
        return [group[0] if len(group) == 1 else {"explanations": group} for group in groups]

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        instances = self.json_to_instances(json_dict)
        if len(instances) != 1:
            raise ConfigurationError(f"This input stands for {len(instances)} instances, expected one.")
        return instances[0]


def _build_target_predictor(
    target: Model, dataset_reader: DatasetReader, name: Optional[str], frozen: bool, arguments: Dict[str, Any]
) -> Optional[Predictor]:
    name = name or target.default_predictor
    if name is None:
        # Instances can be explained all the same.
        if arguments:
            raise ConfigurationError(
                f"{type(target).__name__} has no predictor of its own that could take {', '.join(sorted(arguments))}. Name one by "
                '"target_predictor".'
            )
        return None
    try:
        return Predictor.by_name(name)(target, dataset_reader, frozen=frozen, **arguments)
    except TypeError as error:
        raise ConfigurationError(
            f"The predictor '{name}' of the explained model does not take {', '.join(sorted(arguments)) or 'frozen'}: {error}"
        ) from error


def _group_by_size(lengths: Sequence[int], batch_size: int) -> Iterator[List[int]]:
    """Yield the numbers of instances of about the same length, the shortest first, `batch_size` at a time or fewer if they are long."""
    group: List[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if group and (len(group) == batch_size or (len(group) + 1) * lengths[number] > _MOST_PADDED):
            yield group
            group = []
        group.append(number)
    if group:
        yield group


def _length(instance: Instance) -> int:
    """Return the length of its longest sequence, to which a batch is padded, or the number of its nodes if that is larger."""
    lengths = [0]
    for field in instance.fields.values():
        if isinstance(field, GraphField):
            lengths.append(field.num_nodes)
        elif isinstance(field, SequenceField):
            lengths.append(field.sequence_length())
    return max(lengths)
