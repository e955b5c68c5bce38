"""
Compare two kinds of models on the same data, several seeds of each, by a paired bootstrap over its instances.

    python -m benchmarks.paired results/transformer_?/model.tar.gz --against results/small_?/model.tar.gz --data DATA_FILE

For questions the score is accuracy, for semantic roles F1 over all marked predicates and over those with an argument. Printed are the
score of each archive, the means, and the difference of the means with its 95 % interval: in each draw instances are drawn with
replacement, the same for all archives.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, Iterable, Optional

import numpy
import torch
from allennlp.common.plugins import import_plugins
from allennlp.models import Model, load_archive

from allennlp_graphmask.models import GcnSemanticRoleLabeler, GraphQuestionAnswering
from benchmarks.tables import machine
from benchmarks.training import collate_by_size


def count(null: Optional[int], output: Dict[str, Any], batch: Dict[str, Any]) -> torch.Tensor:
    """
    Count what is right, predicted and asked for, in each instance: answers, or roles other than `null`. Shape: `(batch_size, 3)`.
    """
    if null is None:
        right = (output["logits"].argmax(-1) == batch["answer"]) & output["mask"].any(-1)
        return torch.stack([right, torch.ones_like(right), torch.ones_like(right)], dim=-1).long()
    chosen, roles = output["logits"].argmax(-1), batch["roles"]
    predicted, asked = (output["mask"] & (one != null) for one in (chosen, roles))
    return torch.stack([one.sum(-1) for one in (predicted & (chosen == roles), predicted, asked)], dim=-1)


@torch.no_grad()
def count_batches(model: Model, batches: Iterable[Dict[str, Any]]) -> numpy.ndarray:
    """Count in all instances of the batches. Shape: `(num_instances, 3)`."""
    model.eval()
    assert isinstance(model, (GraphQuestionAnswering, GcnSemanticRoleLabeler)), type(model)
    null = model.vocab.get_token_index("_", "role_labels") if isinstance(model, GcnSemanticRoleLabeler) else None
    counts: numpy.ndarray = torch.cat([count(null, model(**batch), batch) for batch in batches]).numpy()
    return counts


def count_all(archive_file: str, data: str, batch_size: int) -> numpy.ndarray:
    """Count in all instances of a file, ordered by their graphs' sizes. Shape: `(num_instances, 3)`."""
    archive = load_archive(archive_file)
    instances = list(archive.validation_dataset_reader.read(data))
    return count_batches(archive.model, collate_by_size(instances, archive.model, batch_size))


def score(counts: numpy.ndarray) -> numpy.ndarray:
    """Compute F1, which is accuracy where all instances have one prediction, from sums of counts. Shape: from `(..., 3)` to `(...)`."""
    right, predicted, asked = numpy.moveaxis(counts, -1, 0)
    return 200 * right / (predicted + asked)


def compare(first: numpy.ndarray, second: numpy.ndarray, draws: int = 10000) -> Dict[str, Any]:
    """
    Compare the counts of two groups of archives, shape `(num_archives, num_instances, 3)`: the scores, and the difference of their means
    with its 95 % bootstrap interval over instances.
    """
    generator = numpy.random.default_rng(0)
    num_instances = first.shape[1]
    differences = numpy.empty(draws)
    for draw in range(draws):
        times = numpy.bincount(generator.integers(0, num_instances, num_instances), minlength=num_instances)
        means = [score(numpy.einsum("n,anc->ac", times, group)).mean() for group in (first, second)]
        differences[draw] = means[0] - means[1]
    scores = [score(group.sum(1)) for group in (first, second)]
    return {
        "instances": num_instances,
        "scores": [one.round(2).tolist() for one in scores],
        "means": [round(float(one.mean()), 2) for one in scores],
        "difference": round(float(scores[0].mean() - scores[1].mean()), 2),
        "interval": [round(float(numpy.quantile(differences, share)), 2) for share in (0.025, 0.975)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+")
    parser.add_argument("--against", nargs="+", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    import_plugins()
    first, second = (
        numpy.stack([count_all(archive, arguments.data, arguments.batch_size) for archive in archives])
        for archives in (arguments.archives, arguments.against)
    )
    asked = first[0, :, 2]
    assert all((group[:, :, 2] == asked).all() for group in (first, second)), "the archives read other instances"
    results = {"all": compare(first, second)}
    if not asked.all():
        results["with_arguments"] = compare(first[:, asked > 0], second[:, asked > 0])
    text = json.dumps({"machine": machine(), **results}, indent=1) + "\n"
    if arguments.json is not None:
        arguments.json.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
