"""
Label the predicates of a CoNLL-2009 file, and score them by the rules of the shared task, all marked predicates included:

    python -m benchmarks.conll2009 ARCHIVE $GRAPHMASK_DATA/propbank_ewt/ewt_dev.conll09.xz --output results/conll2009

writes `gold.conll09` and `predicted.conll09`, for the official scorer (`eval09.pl -g gold.conll09 -s predicted.conll09`), and prints
what `score_conll2009` reads from the two files, beside the metrics that the model itself counts, as `allennlp evaluate` prints
them. Senses are those of the file, or with `--senses first` the first of each lemma.

With `--raw-text` nothing of the file but its words is used: they are joined by spaces and given to the predictor `graph_srl`, which
parses them and chooses the predicates. What it finds is brought back to the file's words by characters.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import torch
from allennlp.common.plugins import import_plugins
from allennlp.data import Instance
from allennlp.data.data_loaders import SimpleDataLoader
from allennlp.models import Model, load_archive

from allennlp_graphmask.data.dataset_readers.propbank_srl import (
    Conll2009SrlReader,
    DependencySentence,
    Predicate,
    format_conll2009,
    read_conll2009,
)
from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.metrics import score_conll2009
from allennlp_graphmask.predictors import GraphSrlPredictor
from allennlp_graphmask.pretrained import PARSER


@torch.no_grad()
def predict_tags(model: Model, instances: List[Instance], batch_size: int) -> List[List[str]]:
    """Return the role of each token, for each instance. The model counts its metrics."""
    loader = SimpleDataLoader(instances, batch_size, vocab=model.vocab)
    model.eval()
    model.get_metrics(reset=True)
    return [tags for batch in loader for tags in model.make_output_human_readable(model(**batch))["role_tags"]]


def label_raw_text(predictor: GraphSrlPredictor, sentence: DependencySentence) -> DependencySentence:
    """Return the sentence with the predicates and arguments that are found in its text."""
    # White space apart, the parser's tokens are made of the same characters.
    token_at = [token for token, word in enumerate(sentence.words) for _ in word if not word.isspace()]
    roles: Dict[int, Dict[int, str]] = {}
    position = 0
    for parsed in predictor.predict_json({"sentence": sentence.text})["sentences"]:
        tokens = []
        for word in parsed["tokens"]:
            tokens.append(token_at[position])
            position += len("".join(word.split()))
        for prediction in parsed["predicates"]:
            found = roles.setdefault(tokens[prediction["predicate"]["index"]], {})
            found.update((tokens[argument["head"]], argument["role"]) for argument in prediction["arguments"])
    assert position == len(token_at), sentence.text
    return dataclasses.replace(
        sentence, predicates=tuple(Predicate(index, roles=roles[index]) for index in sorted(roles))
    )


def label_predicates(sentence: DependencySentence, tags: Iterator[List[str]], keep_senses: bool) -> DependencySentence:
    """Return the sentence with the roles of its predicates from the next `tags`."""
    predicates = []
    for predicate in sentence.predicates:
        roles = {token: role for token, role in enumerate(next(tags)) if role != "_"}
        predicates.append(Predicate(predicate.index, predicate.sense if keep_senses else None, roles))
    return dataclasses.replace(sentence, predicates=tuple(predicates))


def leave_out_predicates_without_arguments(
    gold: DependencySentence, predicted: DependencySentence
) -> Tuple[DependencySentence, DependencySentence]:
    """Leave out the gold predicates without arguments, in both. Predicates that are not in the gold data stay."""
    without = {predicate.index for predicate in gold.predicates if not predicate.roles}
    first, second = (
        dataclasses.replace(one, predicates=tuple(each for each in one.predicates if each.index not in without))
        for one in (gold, predicted)
    )
    return first, second


def label_and_score(
    archive_file: str,
    data: str,
    output: Path,
    senses: str = "file",
    batch_size: int = 64,
    raw_text: bool = False,
    spacy_model: str = PARSER,
) -> Dict[str, Any]:
    """Write the gold and the labelled file into the folder `output`, and return counts and scores of the two."""
    archive = load_archive(archive_file)
    model, reader = archive.model, archive.validation_dataset_reader
    assert isinstance(reader, Conll2009SrlReader)
    if isinstance(model, GraphMask):
        model = model.target
    gold = [read.get_sentence() for read in read_conll2009(data, reader.syntax)]
    result: Dict[str, Any] = {}
    if raw_text:
        predictor = GraphSrlPredictor(model, reader, spacy_model=spacy_model)
        predicted = [label_raw_text(predictor, sentence) for sentence in gold]
    else:
        reader.predicates = "all"
        tags = iter(predict_tags(model, list(reader.read(data)), batch_size))
        predicted = [label_predicates(sentence, tags, senses == "file") for sentence in gold]
        result["model"] = model.get_metrics()
    output.mkdir(parents=True, exist_ok=True)
    files: List[List[DependencySentence]] = []
    for name, sentences in (("gold", gold), ("predicted", predicted)):
        path = output / f"{name}.conll09"
        write_atomically(path, "".join(map(format_conll2009, sentences)))
        files.append([read.get_sentence() for read in read_conll2009(str(path))])
    pairs = [leave_out_predicates_without_arguments(*pair) for pair in zip(files[0], files[1])]
    result["predicates"] = {
        name: sum(len(one.predicates) for one in read) for name, read in zip(("gold", "predicted"), files)
    }
    result["arguments"] = score_conll2009(files[0], files[1], senses=False)
    result["arguments_and_senses"] = score_conll2009(files[0], files[1])
    result["arguments_of_predicates_with_arguments"] = score_conll2009(
        [first for first, _ in pairs], [second for _, second in pairs], senses=False
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("data")
    parser.add_argument("--output", type=Path, required=True, help="folder for the two files")
    parser.add_argument("--senses", choices=["file", "first"], default="file")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--raw-text", action="store_true", help="use the words only")
    parser.add_argument("--spacy-model", default=PARSER, help="the pipeline that parses raw text")
    arguments = parser.parse_args()
    import_plugins()
    result = label_and_score(
        arguments.archive,
        arguments.data,
        arguments.output,
        arguments.senses,
        arguments.batch_size,
        arguments.raw_text,
        arguments.spacy_model,
    )
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
