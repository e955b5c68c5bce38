"""
Measure on which messages predictions depend, with no masker in between, beside what a masker keeps: is a pattern in the kept messages one
of the model or of the masker?

    python -m benchmarks.ablation results/propbank/small_?_graphmask/model.tar.gz --focus all --json results/ablation.jsonl

The first table drops all messages of a relation, both directions, in all layers or in one of several, and keeps all others. The second drops every message
alone, and counts by the size of the graph those whose loss alone changes the prediction. Of semantic roles, the third drops all
messages, by the class of the predicate. Dropped messages are replaced by the baselines of
the archive's masker, or with `--zeros` by zeros. "Kept" are the verified decisions of the masker.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy
import scipy.stats
import torch
from allennlp.common.plugins import import_plugins
from allennlp.data import DatasetReader
from allennlp.models import load_archive

from allennlp_graphmask.graph import split_relation
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.graphmask.threshold import focused_passes
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask
from allennlp_graphmask.interpret.masked_model import UnmaskedPass
from allennlp_graphmask.interpret.per_graph import sum_per_graph
from allennlp_graphmask.modules.intervention import Gate
from allennlp_graphmask.report.facts import classify_tag
from benchmarks.tables import machine, markdown_table, mean_and_range
from benchmarks.training import append_line, collate_by_size

#: The first sizes of the bins, in nodes.
SIZES = (1, 11, 21, 41, 81)


def changed_without(
    model: GraphMask, unmasked: UnmaskedPass, dropped: Sequence[torch.Tensor], zeros: bool
) -> torch.Tensor:
    """
    Return which predictions change without some messages. Shape of each layer's: from `(num_edges,)`, `torch.bool`, to
    `(batch_size,)`.
    """
    baselines = [None] * len(dropped) if zeros else list(model.masker.baselines)
    masked = model.masked_model.masked(unmasked, [Gate(~layer, vector) for layer, vector in zip(dropped, baselines)])
    return model.masked_model.changed(unmasked, masked)


def relation_families(names: Sequence[str]) -> Dict[str, List[int]]:
    """Return the edge types of each relation, its inverse among them."""
    families: Dict[str, List[int]] = defaultdict(list)
    for number, name in enumerate(names):
        families[split_relation(name)[0]].append(number)
    return families


def add_relations(
    model: GraphMask,
    unmasked: UnmaskedPass,
    attribution: EdgeAttribution,
    zeros: bool,
    counts: Dict[str, numpy.ndarray],
) -> None:
    """
    Count for each relation: explained predictions with such an edge, those that change without them, messages, those kept, and those that
    change without them in one layer only, for each layer from the bottom.
    """
    graph = unmasked.graph
    counted = unmasked.focus.is_explained
    for name, types in relation_families(model.masked_model.relation_names).items():
        chosen = torch.isin(graph.edge_type, torch.tensor(types))
        has_it = (sum_per_graph(chosen.long(), graph) > 0) & counted
        if not bool(has_it.any()):
            continue
        changed = changed_without(model, unmasked, [chosen] * model.num_layers, zeros)
        nothing = torch.zeros_like(chosen)
        in_layers = [
            changed_without(
                model, unmasked, [chosen if one == layer else nothing for one in range(model.num_layers)], zeros
            )
            for layer in range(model.num_layers)
        ]
        of_counted = chosen & counted[graph.edge_graph]
        kept = sum(int((layer & of_counted).sum()) for layer in attribution.kept)
        alone = [int((layer & has_it).sum()) for layer in in_layers]
        num_messages = int(of_counted.sum()) * model.num_layers
        counts[name] += [int(has_it.sum()), int((changed & has_it).sum()), num_messages, kept, *alone]


def count_necessary(model: GraphMask, unmasked: UnmaskedPass, zeros: bool) -> torch.Tensor:
    """Count the messages of each instance whose loss alone changes its prediction. Shape: `(batch_size,)`."""
    graph = unmasked.graph
    sizes = graph.edges_per_graph()
    first = sizes.cumsum(0) - sizes
    order = torch.sort(graph.edge_graph, stable=True).indices
    place = torch.empty_like(order)
    place[order] = torch.arange(graph.num_edges) - first[graph.edge_graph[order]]
    necessary = torch.zeros_like(sizes)
    nothing = torch.zeros_like(graph.edge_type, dtype=torch.bool)
    for layer in range(model.num_layers):
        # The graphs of a batch do not touch: the same place of each is dropped in one pass.
        for number in range(int(sizes.max())):
            dropped = [place == number if one == layer else nothing for one in range(model.num_layers)]
            necessary += changed_without(model, unmasked, dropped, zeros)
    return necessary


def add_predicates(model: GraphMask, unmasked: UnmaskedPass, zeros: bool, counts: Dict[str, numpy.ndarray]) -> None:
    """Count for each class of predicates: explained predictions, and those that change without any message."""
    everything = torch.ones_like(unmasked.graph.edge_type, dtype=torch.bool)
    changed = changed_without(model, unmasked, [everything] * model.num_layers, zeros)
    for number in unmasked.focus.is_explained.nonzero().squeeze(-1).tolist():
        metadata = unmasked.batch["metadata"][number]
        if "predicate_index" in metadata:
            tag = metadata["parts_of_speech"][metadata["predicate_index"]]
            counts[classify_tag(tag)] += [1, int(changed[number])]


@torch.no_grad()
def measure(
    archive_file: str, focus: str, data: Optional[str], every: int, zeros: bool, singles: bool, batch_size: int
) -> Dict[str, Any]:
    archive = load_archive(archive_file)
    model, reader = archive.model.eval(), archive.validation_dataset_reader
    assert isinstance(model, GraphMask) and isinstance(reader, DatasetReader)
    instances = list(reader.read(data or archive.config["validation_data_path"]))[::every]
    interpreter = AmortisedGraphMask(graphmask=model, verify=True)
    relations: Dict[str, numpy.ndarray] = defaultdict(lambda: numpy.zeros(4 + model.num_layers, dtype=int))
    predicates: Dict[str, numpy.ndarray] = defaultdict(lambda: numpy.zeros(2, dtype=int))
    sizes = numpy.zeros((len(SIZES), 4), dtype=int)
    for batch in collate_by_size(instances, model, batch_size):
        for unmasked in focused_passes(model, batch, focus):
            attribution = interpreter.attribute(model.masked_model, unmasked)
            add_relations(model, unmasked, attribution, zeros, relations)
            add_predicates(model, unmasked, zeros, predicates)
            graph, counted = unmasked.graph, unmasked.focus.is_explained
            rows = torch.stack(
                [
                    torch.ones_like(graph.nodes_per_graph),
                    model.num_layers * graph.edges_per_graph(),
                    sum_per_graph(torch.stack(attribution.kept).long().sum(0), graph),
                    count_necessary(model, unmasked, zeros) if singles else torch.zeros_like(graph.nodes_per_graph),
                ],
                dim=-1,
            )
            bins = numpy.digitize(graph.nodes_per_graph[counted].numpy(), SIZES) - 1
            numpy.add.at(sizes, bins, rows[counted].numpy())
    return {
        "archive": archive_file,
        "focus": focus,
        "zeros": zeros,
        "singles": singles,
        "instances": int(sizes[:, 0].sum()),
        "relations": {name: found.tolist() for name, found in relations.items()},
        "predicates": {name: found.tolist() for name, found in predicates.items()},
        "sizes": dict(zip(map(str, SIZES), sizes.tolist())),
    }


def format_tables(lines: List[Dict[str, Any]], min_instances: int) -> str:
    """Format what was measured of several seeds for one focus; relations of fewer predictions than `min_instances` are left out."""

    def shares(name: str, part: int, whole: int) -> str:
        return mean_and_range(
            [line["relations"][name][part] / max(1, line["relations"][name][whole]) for line in lines]
        )

    names = [name for name, (number, *_) in lines[0]["relations"].items() if number >= min_instances]
    names.sort(
        key=lambda name: -numpy.mean([line["relations"][name][1] / line["relations"][name][0] for line in lines])
    )
    num_layers = len(next(iter(lines[0]["relations"].values()))) - 4
    layers = range(num_layers if num_layers > 1 else 0)
    relations = [
        [
            name,
            lines[0]["relations"][name][0],
            shares(name, 1, 0),
            *(shares(name, 4 + layer, 0) for layer in layers),
            shares(name, 3, 2),
        ]
        for name in names
    ]
    sizes = []
    for first, following in zip(SIZES, (*SIZES[1:], None)):
        found = [line["sizes"][str(first)] for line in lines]
        if found[0][0]:
            kept, necessary = (
                mean_and_range([row[column] / row[0] for row in found], "{:.2f}", 1) for column in (2, 3)
            )
            name = f"{first} to {following - 1}" if following else f"from {first}"
            row = [name, found[0][0], f"{found[0][1] / found[0][0]:.0f}", kept]
            sizes.append([*row, necessary] if lines[0]["singles"] else row)
    predicates = [
        [name, number, mean_and_range([line["predicates"][name][1] / line["predicates"][name][0] for line in lines])]
        for name, (number, _) in lines[0]["predicates"].items()
    ]
    correlations = [
        scipy.stats.spearmanr(
            *zip(*((found[1] / found[0], found[3] / found[2]) for found in (line["relations"][name] for name in names)))
        ).statistic
        for line in lines
    ]
    return "\n\n".join(
        [
            markdown_table(
                ["relation", "predictions", "changed without it", *(f"in layer {layer}" for layer in layers), "kept"],
                relations,
            ),
            f"Rank correlation (Spearman) of changed and kept over these relations: {mean_and_range(correlations, '{:.2f}', 1)}",
            markdown_table(
                ["nodes", "predictions", "messages", "kept", *(["alone necessary"] if lines[0]["singles"] else [])],
                sizes,
            ),
            *(
                [markdown_table(["predicates", "number", "changed without any message"], predicates)]
                if predicates
                else []
            ),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", help="archives of GraphMask, of one configuration")
    parser.add_argument("--focus", action="append", required=True, help="may be repeated")
    parser.add_argument("--data", help="file to measure on (default: the validation data of each archive)")
    parser.add_argument("--every", type=int, default=1, help="measure every Nth instance")
    parser.add_argument("--zeros", action="store_true", help="replace by zeros instead of the masker's baselines")
    parser.add_argument(
        "--no-single-messages",
        action="store_true",
        help="leave out the last column of the second table, a pass for each message",
    )
    parser.add_argument("--min-predictions", type=int, default=100, help="of a relation in the table")
    parser.add_argument(
        "--json", type=Path, required=True, help="file that a line for each archive and focus is appended to"
    )
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    import_plugins()
    for focus in arguments.focus:
        lines = [
            measure(
                archive,
                focus,
                arguments.data,
                arguments.every,
                arguments.zeros,
                not arguments.no_single_messages,
                arguments.batch_size,
            )
            for archive in arguments.archives
        ]
        for line in lines:
            append_line(arguments.json, line)
        sys.stdout.write(
            f"{focus}: {lines[0]['instances']} predictions; {machine()}\n\n{format_tables(lines, arguments.min_predictions)}\n\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
