"""
Train the spaCy pipeline that comes with the package and parses raw text for `pretrained:propbank-srl`:

    python -m benchmarks.pretrained_parser $GRAPHMASK_DATA/propbank_ewt results/parser

The role labeller was trained on trees that spaCy's en_core_web_md had predicted for the English Web Treebank. This smaller pipeline
(no vectors) learns to predict the same trees and tags from these, so that raw text needs no download. Lemmas follow from the tags by
the rules and WordNet's tables of spaCy's English lemmatizer, as in en_core_web_md (`pip install spacy-lookups-data==1.0.5`, here
only). The pipeline is written to `allennlp_graphmask/pretrained/en-ewt-parser`, with what it reached on the development part.
`--steps 0` starts from the tagger and the parser of the shipped pipeline; with `--averaged-steps 0`, too, they stay as they are.
"""

import argparse
import json
import shutil
from collections import defaultdict
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Counter, Dict, Iterator, List, Optional, Sequence, Tuple

import spacy
from spacy.cli.init_config import init_config
from spacy.cli.train import train
from spacy.language import Language
from spacy.pipeline import AttributeRuler, Lemmatizer, Tagger
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from allennlp_graphmask.data.dataset_readers.propbank_srl import ROOT, DependencySentence, read_conll2009
from benchmarks.pretrained import FOLDER

NAME = "en-ewt-parser"
LEMMAS = ["trainable_lemmatizer", "attribute_ruler", "lemmatizer"]
COMPONENTS = ["tagger", "morphologizer", "parser"]
SENTENCES_PER_DOCUMENT = 3
#: A lemma that rules do not give is an exception if the training part has it this often.
MIN_EXCEPTION_COUNT = 2
#: Tags with the part of speech and the feature of base forms by which the lemmatizer chooses its rules for them. Words of all
#: other tags are their own lemmas in lower case.
RULES: List[Tuple[List[str], Dict[str, str]]] = [
    (["VBD", "VBG", "VBN", "VBZ"], {"POS": "VERB"}),
    (["VB", "VBP"], {"POS": "VERB", "MORPH": "VerbForm=Inf"}),
    (["NN"], {"POS": "NOUN", "MORPH": "Number=Sing"}),
    (["NNS"], {"POS": "NOUN"}),
    (["NNP", "NNPS"], {"POS": "PROPN"}),
    (["JJ"], {"POS": "ADJ", "MORPH": "Degree=Pos"}),
    (["JJR", "JJS"], {"POS": "ADJ"}),
    (["RB"], {"POS": "ADV", "MORPH": "Degree=Pos"}),
    (["RBR", "RBS"], {"POS": "ADV"}),
]


def sentences(path: Path) -> Iterator[DependencySentence]:
    """Yield the predicted sentences with gold universal tags: the files have no predicted ones."""
    parts = (read_conll2009(str(path), syntax) for syntax in ("gold", "predicted"))
    for gold, predicted in zip(*parts, strict=True):
        yield replace(predicted.get_sentence(), universal_tags=gold.get_sentence().universal_tags)


def document(vocab: spacy.vocab.Vocab, parts: Sequence[DependencySentence]) -> Doc:
    """Several sentences as one text, so that the parser learns where sentences end."""
    words: List[str] = []
    lemmas: List[str] = []
    tags: List[str] = []
    universal_tags: List[str] = []
    labels: List[str] = []
    heads: List[int] = []
    for sentence in parts:
        first = len(words)
        words += sentence.words
        lemmas += sentence.lemmas
        tags += sentence.parts_of_speech
        universal_tags += sentence.universal_tags
        # The root of spaCy's trees is its own head.
        heads += [first + (token if head == ROOT else head) for token, head in enumerate(sentence.heads)]
        labels += ["ROOT" if head == ROOT else label for head, label in zip(sentence.heads, sentence.dependency_labels)]
    return Doc(vocab, words=words, lemmas=lemmas, tags=tags, pos=universal_tags, heads=heads, deps=labels)


def add_lemmatizer(pipeline: Language, training_documents: Sequence[Doc]) -> None:
    """
    Add rules for lemmas by tag, after the tagger, and exceptions ("me" is "I") where words of the training part have other
    lemmas. The morphologizer, which comes later, replaces the parts of speech.
    """
    rules = pipeline.add_pipe("attribute_ruler", after="tagger")
    lemmatizer = pipeline.add_pipe("lemmatizer", after="attribute_ruler", config={"mode": "rule"})
    tagger = pipeline.get_pipe("tagger")
    assert isinstance(tagger, Tagger) and isinstance(rules, AttributeRuler) and isinstance(lemmatizer, Lemmatizer)
    lemmatizer.initialize()
    ruled = {tag for tags, _ in RULES for tag in tags}
    for tags, attributes in [*RULES, (sorted(set(tagger.labels) - ruled), {"POS": "X"})]:
        rules.add([[{"TAG": {"IN": tags}}]], attributes)
    lemmas: Dict[Tuple[str, str], Counter[str]] = defaultdict(Counter)
    by_rule: Dict[Tuple[str, str], Counter[str]] = defaultdict(Counter)
    for gold in training_documents:
        words = [token.text for token in gold]
        tags = [token.tag_ for token in gold]
        for token, found in zip(gold, lemmatizer(rules(Doc(pipeline.vocab, words=words, tags=tags)))):
            lemmas[token.tag_, token.lower_][token.lemma_] += 1
            by_rule[token.tag_, token.lower_][found.lemma_] += 1
    for (tag, word), counts in sorted(lemmas.items()):
        [(lemma, count)] = counts.most_common(1)
        if (
            count >= MIN_EXCEPTION_COUNT
            and tag not in ("NNP", "NNPS")
            and by_rule[tag, word].most_common(1)[0][0] != lemma
        ):
            rules.add([[{"TAG": tag, "LOWER": word}]], {"LEMMA": lemma})


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder with ewt_train.conll09.xz and ewt_dev.conll09.xz")
    parser.add_argument("output", type=Path, help="folder of the training run")
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument("--averaged-steps", type=int, default=1000, help="of larger batches, with averaged weights")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    vocab = spacy.blank("en").vocab
    parts: Dict[str, List[Doc]] = {}
    for part in ("train", "dev"):
        all_sentences = list(sentences(options.data / f"ewt_{part}.conll09.xz"))
        parts[part] = [
            document(vocab, all_sentences[first : first + SENTENCES_PER_DOCUMENT])
            for first in range(0, len(all_sentences), SENTENCES_PER_DOCUMENT)
        ]
        DocBin(docs=parts[part]).to_disk(options.output / f"{part}.spacy")
    config = options.output / "config.cfg"
    init_config(lang="en", pipeline=COMPONENTS, optimize="efficiency", gpu=False).to_disk(config)
    overrides = {
        "paths.train": str(options.output / "train.spacy"),
        "paths.dev": str(options.output / "dev.spacy"),
        "training.max_steps": options.steps,
        "training.eval_frequency": 500,
    }
    trained = FOLDER / NAME
    if options.steps:
        train(config, options.output, overrides=overrides)
        trained = options.output / "model-best"
    if options.averaged_steps:
        trained = train_averaged(trained, options.output, options.averaged_steps)
    pipeline = spacy.load(trained, exclude=LEMMAS)
    add_lemmatizer(pipeline, parts["train"])
    ship(pipeline, parts["dev"])


def train_averaged(start: Path, output: Path, steps: int) -> Path:
    """Train a pipeline further, at a rate that falls to zero, and return the folder of the best one with averaged weights."""
    config = spacy.load(start).config.copy()
    components = ["tok2vec", *COMPONENTS]
    config["nlp"]["pipeline"] = components
    config["components"] = {name: {"source": str(start)} for name in components}
    config["paths"].update(train=str(output / "train.spacy"), dev=str(output / "dev.spacy"))
    config["training"].update(
        max_steps=steps,
        eval_frequency=200,
        patience=0,
        score_weights={"tag_acc": 0.2, "pos_acc": 0.2, "dep_las": 0.6},
    )
    config["training"]["batcher"]["size"] = 1000
    schedule = {"@schedules": "warmup_linear.v1", "initial_rate": 0.0005, "warmup_steps": 50, "total_steps": steps}
    config["training"]["optimizer"].update(use_averages=True, learn_rate=schedule)
    folder = output / "averaged"
    folder.mkdir(exist_ok=True)
    config.to_disk(folder / "config.cfg")
    train(folder / "config.cfg", folder)
    return folder / "model-best"


def ship(pipeline: Language, development_documents: Sequence[Doc]) -> None:
    """Write a trained pipeline into the package, without paths of this machine, and what it reaches."""
    examples = [
        Example(Doc(pipeline.vocab, words=[token.text for token in gold]), gold) for gold in development_documents
    ]
    pipeline.meta["performance"].update(pipeline.evaluate(examples))
    pipeline.config["paths"] = {"train": None, "dev": None, "vectors": None, "init_tok2vec": None}
    pipeline.meta.update(
        name="ewt_parser",
        description="Imitates the trees, tags and lemmas of en_core_web_md 3.8 on the English Web Treebank. The lemmatizer's tables "
        "are those of spacy-lookups-data 1.0.5 (MIT), made from WordNet 3.0, copyright 2006 by Princeton University.",
        license="CC BY-SA 4.0; lemmatizer: MIT and WordNet 3.0 license",
        spacy_version=">=3.8,<4",
    )
    place = FOLDER / NAME
    partial = FOLDER / f"{NAME}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    pipeline.to_disk(partial)
    wordnet_license = files("spacy_lookups_data") / "data" / "en_license.txt"
    (partial / "LICENSE.wordnet.txt").write_text(wordnet_license.read_text(encoding="utf-8"), encoding="utf-8")
    shutil.rmtree(place, ignore_errors=True)
    partial.rename(place)
    reached = {
        name: round(pipeline.meta["performance"][name], 4)
        for name in ("tag_acc", "pos_acc", "lemma_acc", "dep_uas", "dep_las", "sents_f")
    }
    print(json.dumps(reached, indent=2))


if __name__ == "__main__":
    main()
