"""A spaCy pipeline with a parser by rule, so that raw text can be tested without downloading a model."""

from pathlib import Path
from typing import List

import spacy
from spacy.language import Language
from spacy.tokens import Doc

# word: lemma, tag, universal part of speech, label
_WORDS = {
    "she": ("she", "PRP", "PRON", "nsubj"),
    "ann": ("Ann", "NNP", "PROPN", "nsubj"),
    "the": ("the", "DT", "DET", "det"),
    "has": ("have", "VBZ", "AUX", "aux"),
    "dog": ("dog", "NN", "NOUN", "obj"),
    "sings": ("sing", "VBZ", "VERB", "root"),
    "seen": ("see", "VBN", "VERB", "root"),
    "likes": ("like", "VBZ", "VERB", "root"),
    ".": (".", ".", "PUNCT", "punct"),
}
_UNKNOWN = ("it", "NN", "NOUN", "obj")

#: The labels of Universal Dependencies and of ClearNLP that tell them apart.
UNIVERSAL_LABELS = ["aux", "aux:pass", "case", "det", "nsubj", "nsubj:pass", "obj", "obl", "punct", "root"]
CLEARNLP_LABELS = ["ROOT", "aux", "auxpass", "det", "dobj", "nsubj", "nsubjpass", "pobj", "prep", "punct"]


@Language.factory("graphmask_stub_parser", default_config={"labels": []})
class StubParser:
    """Words depend on the verb of their sentence, determiners on the next word. Full stops end sentences."""

    def __init__(self, nlp: Language, name: str, labels: List[str]) -> None:
        self.labels = tuple(labels)

    def __call__(self, document: Doc) -> Doc:
        entries = [_WORDS.get(token.lower_, _UNKNOWN) for token in document]
        heads, labels, start = [], [], 0
        while start < len(document):
            end = next((token.i + 1 for token in document[start:] if token.text == "."), len(document))
            words = range(start, end)
            verb = next((i for i in words if entries[i][3] == "root"), None)
            if verb is None:
                verb = next((i for i in words if entries[i][3] != "det"), start)
            for position in words:
                label = entries[position][3]
                heads.append(position + 1 if label == "det" and position + 1 < end else verb)
                labels.append("root" if position == verb else label)
            start = end
        # The sentences of a document follow from its trees only if it is made with them.
        return Doc(
            document.vocab,
            words=[token.text for token in document],
            spaces=[bool(token.whitespace_) for token in document],
            lemmas=[lemma for lemma, _, _, _ in entries],
            tags=[tag for _, tag, _, _ in entries],
            pos=[part_of_speech for _, _, part_of_speech, _ in entries],
            heads=heads,
            deps=labels,
        )

    def to_disk(self, path: Path, *, exclude: object = ()) -> None:
        """Its labels are in the pipeline's config."""

    def from_disk(self, path: Path, *, exclude: object = ()) -> "StubParser":
        return self


def save_stub_pipeline(path: Path, labels: List[str]) -> str:
    """Saves a pipeline whose parser knows these labels, and gives the path for `spacy_model`."""
    pipeline = spacy.blank("en")
    pipeline.add_pipe("graphmask_stub_parser", name="parser", config={"labels": labels})
    pipeline.to_disk(path)
    return str(path)
