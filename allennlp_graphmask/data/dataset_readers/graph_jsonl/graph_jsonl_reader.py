import logging
from collections import Counter
from functools import partial
from typing import Any, Dict, Iterator, List, Optional

from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Instance, TokenIndexer
from allennlp.data.fields import Field, ListField, MetadataField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.data.tokenizers import Tokenizer

from allennlp_graphmask.checks import check_choice
from allennlp_graphmask.data.dataset_readers.graph_jsonl.text_graph import (
    CLASSIFIED,
    TextGraph,
    check_spans,
    get_metadata,
)
from allennlp_graphmask.data.dataset_readers.record_reader import Record, RecordReader
from allennlp_graphmask.data.fields import GraphField, OpenLabelField, OpenSequenceLabelField
from allennlp_graphmask.data.files import errors_at
from allennlp_graphmask.data.json_lines import JsonLine, read_json_lines
from allennlp_graphmask.data.opaque_metadata import OpaqueMetadata
from allennlp_graphmask.data.tokenizers import PlainWordsTokenizer
from allennlp_graphmask.data.tokenizers.tokenization import tokenize
from allennlp_graphmask.graph import inverse_relation, is_inverse_relation
from allennlp_graphmask.validation import check_nesting

logger = logging.getLogger(__name__)


@DatasetReader.register("graph_jsonl")
class GraphJsonlReader(RecordReader):
    """
    Reads graphs over text from JSON lines, plain, .gz, .bz2 or .xz, by path or URL: one graph a line, with nodes that are texts,
    typed edges, and a label of the graph or labels of its nodes. `docs/graph_jsonl.md` describes the format. Files are read line
    by line and may be of any size.

    The fields of an instance:

    - `nodes`: a list of texts. For a graph without nodes it has one text without tokens, which `graph` does not count.
    - `graph`: a `GraphField` with the edges as they are given and, behind them, their inverses if `inverse_edges` is set.
    - `label`, if graphs are classified: that of the graph. -1 if training did not see it, -2 if there is none.
    - `node_labels`, if nodes are classified: the same for each node.
    - `metadata`: `id`; `text` and `tokens`, if they are given; `nodes` (each with `text`, `start` and `end`); `label` or
      `node_labels`; and the line's other keys, as `graph_metadata`, `node_metadata` and `edge_metadata`.

    Legal are: graphs without edges, of one node and without nodes, nodes without text, graphs and nodes without labels. A
    malformed line stops the reading with a `ConfigurationError` that names the file and the line.

    Registered as a `DatasetReader` with name "graph_jsonl".

    # Parameters

    classify : `str`, optional (default = `"graph"`)
        `"graph"` or `"nodes"`: what has labels. Lines with labels of the other kind are refused.
    require_labels : `bool`, optional (default = `False`)
        Whether a line without any label is refused, as it should be for training and evaluation.
    inverse_edges : `bool`, optional (default = `False`)
        Whether each edge gets an inverse, an edge of its own of the type `type^-1`. Without them messages only go from source
        to target.
    tokenizer : `Tokenizer`, optional (default = `PlainWordsTokenizer()`)
        For the nodes' texts, and for the graph's `text` where a line has no `tokens`.
    token_indexers : `Dict[str, TokenIndexer]`, optional
        For the nodes' texts. Default is `{"tokens": SingleIdTokenIndexer()}`.
    lowercase : `bool`, optional (default = `True`)
        Whether the nodes' texts are lowercased before they are tokenized. Metadata, and with it explanations, keep the case.
    label_namespace : `str`, optional (default = `"labels"`)
        The namespace of the labels of graphs or nodes.
    edge_label_namespace : `str`, optional (default = `"edge_labels"`)
        The namespace of the edges' types.
    """

    def __init__(
        self,
        classify: str = "graph",
        require_labels: bool = False,
        inverse_edges: bool = False,
        tokenizer: Optional[Tokenizer] = None,
        token_indexers: Optional[Dict[str, TokenIndexer]] = None,
        lowercase: bool = True,
        label_namespace: str = "labels",
        edge_label_namespace: str = "edge_labels",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("graph_jsonl", CLASSIFIED, classify=classify)
        self.classify = classify
        self._require_labels = require_labels
        self._inverse_edges = inverse_edges
        self._tokenizer = tokenizer or PlainWordsTokenizer()
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}
        self._lowercase = lowercase
        self._label_namespace = label_namespace
        self._edge_label_namespace = edge_label_namespace

    def records(self, path: str) -> Iterator[Record]:
        counts: Counter[str] = Counter()
        for line in read_json_lines(path):
            yield Record(f"line {line.number}", partial(self._read_line, line, counts))
        numbers = [counts[name] for name in ("graphs", "labelled", "without edges", "nodes", "edges")]
        logger.info("%s: %d graphs, %d with labels, %d without edges; %d nodes, %d edges.", path, *numbers)

    def _read_line(self, line: JsonLine, counts: Counter[str]) -> List[Instance]:
        content = line.parse()
        with errors_at(line.place):
            graph = TextGraph.from_json(content)
            # A graph without nodes has no node that could have a label.
            needs_label = self._require_labels and (self.classify == "graph" or bool(graph.nodes))
            if needs_label and graph.classified is None:
                raise ConfigurationError(
                    f"no label{'' if self.classify == 'graph' else ' of any node'}, which require_labels asks for. Give the line "
                    'its label, leave it out, or set "require_labels": false, which is for prediction.'
                )
            instance = self.text_to_instance(graph)
        counts["graphs"] += 1
        counts["labelled"] += graph.classified is not None
        counts["without edges"] += not graph.edges
        counts["nodes"] += len(graph.nodes)
        counts["edges"] += len(graph.edges)
        return [instance]

    def text_to_instance(self, graph: TextGraph) -> Instance:
        """
        # Parameters

        graph : `TextGraph`
            `TextGraph.from_json` makes one of what a line holds. Labels may be missing.

        # Raises

        `ConfigurationError` if the graph has labels of the wrong kind, or inverse edges where they are to be added.
        """
        self._check_kind_of_labels(graph)
        texts = [node.text.lower() if self._lowercase else node.text for node in graph.nodes]
        # `apply_token_indexers` adds the indexers: workers of a data loader must not send them along. AllenNLP has no list without
        # elements.
        nodes = ListField([TextField(tokens) for tokens in tokenize(self._tokenizer, texts)] or [TextField([])])
        edges = [(edge.source, edge.target) for edge in graph.edges]
        labels = [edge.type for edge in graph.edges]
        if self._inverse_edges:
            self._check_no_inverse(labels)
            edges += [(target, source) for source, target in edges]
            labels += [inverse_relation(label) for label in labels]
        fields: Dict[str, Field[Any]] = {
            "nodes": nodes,
            "graph": GraphField(len(graph.nodes), edges, labels, self._edge_label_namespace),
        }
        metadata = self._metadata(graph)
        if self.classify == "graph":
            fields["label"] = OpenLabelField(graph.label, self._label_namespace)
            metadata["label"] = graph.label
        else:
            node_labels = [node.label for node in graph.nodes]
            fields["node_labels"] = OpenSequenceLabelField(node_labels or [None], nodes, self._label_namespace)
            metadata["node_labels"] = node_labels
        fields["metadata"] = MetadataField(OpaqueMetadata(metadata))
        return Instance(fields)

    def _check_kind_of_labels(self, graph: TextGraph) -> None:
        if graph.classified in (None, self.classify):
            return
        has, wants = ("the graph has a label", "nodes") if graph.label is not None else ("nodes have labels", "graphs")
        raise ConfigurationError(
            f'{has}, but {wants} are to be classified ("classify": "{self.classify}"). Set "classify": '
            f'"{graph.classified}" for the reader and the model, or rename these labels: they are then kept as metadata.'
        )

    def _check_no_inverse(self, edge_types: List[str]) -> None:
        for number, edge_type in enumerate(edge_types):
            if is_inverse_relation(edge_type):
                raise ConfigurationError(
                    f"edges[{number}].type is {edge_type!r}, an inverse, but inverse_edges adds the inverse of each edge. Leave "
                    'the inverses out of the file, or set "inverse_edges": false.'
                )

    def _metadata(self, graph: TextGraph) -> Dict[str, Any]:
        tokens: List[str] = list(graph.tokens or ())
        if graph.tokens is None and graph.text is not None:
            tokens = [token.ensure_text() for token in tokenize(self._tokenizer, [graph.text])[0]]
            check_spans(graph.nodes, len(tokens))
        free = {
            "graph_metadata": graph.model_extra or None,
            "node_metadata": get_metadata(graph.nodes),
            "edge_metadata": get_metadata(graph.edges),
        }
        for name, value in free.items():
            if value:
                check_nesting(value, ConfigurationError, name)
        return {
            "id": graph.id,
            "text": graph.text,
            "tokens": tokens,
            "nodes": [{"text": node.text, "start": node.start, "end": node.end} for node in graph.nodes],
            **free,
        }

    def apply_token_indexers(self, instance: Instance) -> None:
        nodes = instance.fields["nodes"]
        assert isinstance(nodes, ListField)
        for field in nodes.field_list:
            assert isinstance(field, TextField)
            field.token_indexers = self._token_indexers
