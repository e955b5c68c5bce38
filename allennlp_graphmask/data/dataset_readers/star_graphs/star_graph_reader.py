import logging
from collections import Counter
from functools import partial
from typing import Any, Dict, Iterator, List

from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Instance
from allennlp.data.fields import Field, MetadataField, TensorField

from allennlp_graphmask.data.dataset_readers.record_reader import Record, RecordReader
from allennlp_graphmask.data.dataset_readers.star_graphs.generation import SPLITS, generate_star_graphs
from allennlp_graphmask.data.dataset_readers.star_graphs.star_graph import TO_CENTRE, VARIANTS, StarGraph, colour_names
from allennlp_graphmask.data.fields import GraphField, OpenLabelField
from allennlp_graphmask.data.files import errors_at
from allennlp_graphmask.data.json_lines import JsonLine, read_json_lines
from allennlp_graphmask.data.opaque_metadata import OpaqueMetadata

logger = logging.getLogger(__name__)

_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.bz2", ".jsonl.xz")


@DatasetReader.register("star_graphs")
class StarGraphReader(RecordReader):
    """
    Generates the star graphs of [Schlichtkrull, De Cao and Titov (2021)](https://arxiv.org/abs/2010.00577), for which it is known
    which edges matter, and a variant that needs two layers: see `StarGraph` and `docs/star_graphs.md`. The "path" of data is
    `train`, `dev` or `test`, for graphs that are drawn (see `generate_star_graphs`), or a file or URL with a graph in each line,
    as `python -m allennlp_graphmask.data.dataset_readers.star_graphs.write_split` writes it.

    The fields of an instance:

    - `node_features`: the inputs of nodes, shape `(num_nodes, 2 * num_colours)`.
    - `graph`: a `GraphField`. Node 0 is the centre.
    - `label`: `"more"` or `"not_more"`.
    - `metadata`: `id`; `tokens`, the question in words; `nodes`, the text of each; `label`; `graph_metadata`, with the
      `query`; and `edge_metadata`, with what each edge `matters` in each layer, from the bottom: `True`, `False`, or `None`
      where the truth is not defined, and its `edge_group` (see `StarGraph.edge_groups`).

    Registered as a `DatasetReader` with name "star_graphs".

    # Parameters

    variant : `str`, optional (default = `"single_layer"`)
        `"single_layer"` or `"two_layer"`.
    num_colours : `int`, optional (default = `6`)
    min_leaves, max_leaves : `int`, optional (default = `6`, `12`)
        Inclusive.
    min_branches, max_branches : `int`, optional (default = `3`, `5`)
        Inclusive; for the variant `"two_layer"`.
    num_train, num_dev, num_test : `int`, optional (default = `10000`, `500`, `500`)
        How many graphs the splits have.
    seed : `int`, optional (default = `0`)
        Of the data. It is independent of the training's seed, so that several trainings can be compared.
    label_namespace : `str`, optional (default = `"labels"`)
    edge_label_namespace : `str`, optional (default = `"edge_labels"`)
    """

    def __init__(
        self,
        variant: str = "single_layer",
        num_colours: int = 6,
        min_leaves: int = 6,
        max_leaves: int = 12,
        min_branches: int = 3,
        max_branches: int = 5,
        num_train: int = 10000,
        num_dev: int = 500,
        num_test: int = 500,
        seed: int = 0,
        label_namespace: str = "labels",
        edge_label_namespace: str = "edge_labels",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.variant = variant
        self._generation: Dict[str, Any] = {
            "variant": variant,
            "num_colours": num_colours,
            "min_leaves": min_leaves,
            "max_leaves": max_leaves,
            "min_branches": min_branches,
            "max_branches": max_branches,
            "seed": seed,
        }
        self._sizes = {"train": num_train, "dev": num_dev, "test": num_test}
        for split in SPLITS:
            # Wrong arguments are errors here and not when data are read.
            self.generate(split)
        self.colours = colour_names(num_colours)
        self._label_namespace = label_namespace
        self._edge_label_namespace = edge_label_namespace

    def generate(self, split: str) -> Iterator[StarGraph]:
        """Draw the graphs of a split, `"train"`, `"dev"` or `"test"`. Raise a `ConfigurationError` if there is no such split."""
        return generate_star_graphs(split, self._sizes.get(split, 0), **self._generation)

    def records(self, path: str) -> Iterator[Record]:
        counts: Counter[str] = Counter()
        if path in SPLITS:
            for number, graph in enumerate(self.generate(path), start=1):
                yield Record(f"graph {number}", partial(self._build_instances, graph, counts))
        elif path.endswith(_SUFFIXES):
            for line in read_json_lines(path):
                yield Record(f"line {line.number}", partial(self._read_line, line, counts))
        else:
            raise ConfigurationError(
                f"The data of the reader 'star_graphs' are 'train', 'dev' or 'test', or a file that ends in {', '.join(_SUFFIXES)}; "
                f"got '{path}'."
            )
        logger.info("%s: %s.", path, ", ".join(f"{count} {name}" for name, count in counts.items()))

    def _read_line(self, line: JsonLine, counts: Counter[str]) -> List[Instance]:
        content = line.parse()
        with errors_at(line.place):
            return self._build_instances(StarGraph.from_json(content), counts)

    def _build_instances(self, graph: StarGraph, counts: Counter[str]) -> List[Instance]:
        instance = self.text_to_instance(graph)
        counts["graphs"] += 1
        counts[graph.label] += 1
        return [instance]

    def text_to_instance(self, graph: StarGraph) -> Instance:
        """Raise a `ConfigurationError` if the graph is of another variant, or has a colour that this reader does not know."""
        # A graph without leaves and branches is of both variants.
        if graph.variant != self.variant and graph.edges:
            raise ConfigurationError(
                f"the graph has {'' if graph.variant == 'two_layer' else 'no '}edges of type '{TO_CENTRE}', so its variant is "
                f"'{graph.variant}', but that of the reader is '{self.variant}'. Set \"variant\": one of {', '.join(VARIANTS)}."
            )
        unknown = [name for name in graph.colours if name not in self.colours]
        if unknown:
            raise ConfigurationError(
                f"{unknown[0]!r} is not one of this reader's {len(self.colours)} colours, {', '.join(self.colours)}. Rename it, or "
                'set "num_colours".'
            )
        metadata = {
            "id": graph.graph_id,
            "tokens": ["more", graph.query[0], "than", graph.query[1], "?"],
            "nodes": [{"text": text, "start": None, "end": None} for text in graph.node_texts],
            "label": graph.label,
            "graph_metadata": {"query": list(graph.query)},
            "edge_metadata": [
                {"matters": list(matters), "edge_group": group}
                for matters, group in zip(graph.truth, graph.edge_groups)
            ],
        }
        fields: Dict[str, Field[Any]] = {
            "node_features": TensorField(graph.node_features(self.colours)),
            "graph": GraphField(len(graph.node_texts), graph.edges, graph.edge_types, self._edge_label_namespace),
            "label": OpenLabelField(graph.label, self._label_namespace),
            "metadata": MetadataField(OpaqueMetadata(metadata)),
        }
        return Instance(fields)
