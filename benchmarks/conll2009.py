"""
Label the predicates of a CoNLL-2009 file, and score them by the rules of the shared task, all marked predicates included:

    python -m benchmarks.conll2009 ARCHIVE $GRAPHMASK_DATA/propbank_ewt/ewt_dev.conll09.xz --output results/conll2009

writes `gold.conll09` and `predicted.conll09`, for the official scorer (`eval09.pl -g gold.conll09 -s predicted.conll09`), and prints
what `score_conll2009` reads from the two files, beside the metrics that the model itself counts, as `allennlp evaluate` prints
them. Senses are those of the file, or with `--senses first` the first of each lemma.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any, Dict, List

import torch
from allennlp.common.plugins import import_plugins
from allennlp.data import Instance
from allennlp.data.data_loaders import SimpleDataLoader
from allennlp.models import Model, load_archive

from allennlp_graphmask.data.dataset_readers.propbank_srl import Conll2009SrlReader, format_conll2009, read_conll2009
from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.metrics import score_conll2009


@torch.no_grad()
def predict_tags(model: Model, instances: List[Instance], batch_size: int) -> List[List[str]]:
    """Return the role of each token, for each instance. The model counts its metrics."""
    loader = SimpleDataLoader(instances, batch_size, vocab=model.vocab)
    model.eval()
    model.get_metrics(reset=True)
    return [tags for batch in loader for tags in model.make_output_human_readable(model(**batch))["role_tags"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("data")
    parser.add_argument("--output", type=Path, required=True, help="folder for the two files")
    parser.add_argument("--senses", choices=["file", "first"], default="file")
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    import_plugins()
    archive = load_archive(arguments.archive)
    model, reader = archive.model, archive.validation_dataset_reader
    assert isinstance(reader, Conll2009SrlReader)
    if isinstance(model, GraphMask):
        model = model.target
    gold = [block.get_sentence() for block in read_conll2009(arguments.data, reader.syntax)]
    reader.predicates = "all"
    instances = list(reader.read(arguments.data))
    tags = iter(predict_tags(model, instances, arguments.batch_size))
    predicted = []
    for sentence in gold:
        predicates = []
        for predicate in sentence.predicates:
            roles = {token: role for token, role in enumerate(next(tags)) if role != "_"}
            sense = predicate.sense if arguments.senses == "file" else None
            predicates.append(dataclasses.replace(predicate, roles=roles, sense=sense))
        predicted.append(dataclasses.replace(sentence, predicates=tuple(predicates)))
    arguments.output.mkdir(parents=True, exist_ok=True)
    paths = [arguments.output / f"{name}.conll09" for name in ("gold", "predicted")]
    for path, sentences in zip(paths, (gold, predicted)):
        write_atomically(path, "".join(map(format_conll2009, sentences)))

    def score(senses: bool) -> Dict[str, float]:
        files = [[block.get_sentence() for block in read_conll2009(str(path))] for path in paths]
        return score_conll2009(files[0], files[1], senses=senses)

    result: Dict[str, Any] = {
        "predicates": len(instances),
        "model": model.get_metrics(),
        "arguments": score(senses=False),
        "arguments_and_senses": score(senses=True),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
