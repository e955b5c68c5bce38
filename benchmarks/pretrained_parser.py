"""
Train the spaCy pipeline that comes with the package and parses raw text for `pretrained:propbank-srl`:

    python -m benchmarks.pretrained_parser $GRAPHMASK_DATA/propbank_ewt results/parser

The role labeller was trained on trees that spaCy's en_core_web_md had predicted for the English Web Treebank. This smaller pipeline
(no vectors) learns to predict the same trees, tags and lemmas from these, so that raw text needs no download. It is written to
`allennlp_graphmask/pretrained/en-ewt-parser`, with what it reached on the development part.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Iterator, List, Optional, Sequence

import spacy
from allennlp.common.file_utils import open_compressed
from spacy.cli.init_config import init_config
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin

from benchmarks.pretrained import FOLDER

NAME = "en-ewt-parser"
COMPONENTS = ["tagger", "morphologizer", "trainable_lemmatizer", "parser"]
#: The columns of CoNLL-2009 that a predicted parse is in.
WORD, LEMMA, TAG, FEATURES, HEAD, LABEL = 1, 3, 5, 6, 9, 11
SENTENCES_PER_DOCUMENT = 3


def sentences(path: Path) -> Iterator[List[List[str]]]:
    """Yield the rows of each sentence."""
    rows: List[List[str]] = []
    with open_compressed(path) as file:
        for line in file:
            if line.strip():
                rows.append(line.rstrip("\n").split("\t"))
            elif rows:
                yield rows
                rows = []
    if rows:
        yield rows


def document(vocab: spacy.vocab.Vocab, parts: Sequence[List[List[str]]]) -> Doc:
    """Several sentences as one text, so that the parser learns where sentences end."""
    rows = [row for sentence in parts for row in sentence]
    heads: List[int] = []
    for sentence in parts:
        first = len(heads)
        for number, row in enumerate(sentence):
            head = int(row[HEAD])
            heads.append(first + (head - 1 if head else number))
    return Doc(
        vocab,
        words=[row[WORD] for row in rows],
        lemmas=[row[LEMMA] for row in rows],
        tags=[row[TAG] for row in rows],
        pos=[universal_tag(row[FEATURES]) for row in rows],
        heads=heads,
        deps=[row[LABEL] if int(row[HEAD]) else "ROOT" for row in rows],
    )


def universal_tag(features: str) -> str:
    """From `UPOS=NOUN|Number=Sing`."""
    return next((part[5:] for part in features.split("|") if part.startswith("UPOS=")), "")


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder with ewt_train.conll09.xz and ewt_dev.conll09.xz")
    parser.add_argument("output", type=Path, help="folder of the training run")
    parser.add_argument("--steps", type=int, default=4000)
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    vocab = spacy.blank("en").vocab
    for part in ("train", "dev"):
        documents = DocBin()
        all_sentences = list(sentences(options.data / f"ewt_{part}.conll09.xz"))
        for first in range(0, len(all_sentences), SENTENCES_PER_DOCUMENT):
            documents.add(document(vocab, all_sentences[first : first + SENTENCES_PER_DOCUMENT]))
        documents.to_disk(options.output / f"{part}.spacy")
    config = options.output / "config.cfg"
    init_config(lang="en", pipeline=COMPONENTS, optimize="efficiency", gpu=False).to_disk(config)
    overrides = {
        "paths.train": str(options.output / "train.spacy"),
        "paths.dev": str(options.output / "dev.spacy"),
        "training.max_steps": options.steps,
        "training.eval_frequency": 500,
    }
    train(config, options.output, overrides=overrides)
    ship(options.output / "model-best")


def ship(pipeline_folder: Path) -> None:
    """Copy a trained pipeline into the package, without paths of this machine."""
    pipeline = spacy.load(pipeline_folder)
    pipeline.config["paths"] = {"train": None, "dev": None, "vectors": None, "init_tok2vec": None}
    pipeline.meta.update(
        name="ewt_parser",
        description="Imitates the trees, tags and lemmas of en_core_web_md 3.8 on the English Web Treebank.",
        license="CC BY-SA 4.0",
        spacy_version=">=3.8,<4",
    )
    place = FOLDER / NAME
    partial = FOLDER / f"{NAME}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    pipeline.to_disk(partial)
    shutil.rmtree(place, ignore_errors=True)
    partial.rename(place)
    reached = {
        name: round(pipeline.meta["performance"][name], 4)
        for name in ("tag_acc", "pos_acc", "lemma_acc", "dep_uas", "dep_las", "sents_f")
    }
    print(json.dumps(reached, indent=2))


if __name__ == "__main__":
    main()
