"""The package's readers, and files for them with as many records as wanted."""

import json
import random
from pathlib import Path
from typing import Any, Dict, Iterator, Sequence

import spacy
from allennlp.data import Instance

from allennlp_graphmask.data.dataset_readers import (
    Conll2009SrlReader,
    GraphJsonlReader,
    HotpotQaGraphReader,
    NltkPropbankReader,
    StarGraphReader,
    UniversalPropositionsReader,
    WikiHopReader,
)
from allennlp_graphmask.data.dataset_readers.star_graphs import StarGraph
from tests.data.dataset_readers.propbank_srl.conll_text import row, text

#: Too many to be one chunk of a file, and hard to compress.
WORDS = [f"w{random.Random(number).getrandbits(64)}" for number in range(3000)]
ENTITIES = spacy.blank("en")
ENTITIES.add_pipe("entity_ruler").add_patterns([{"label": "NAME", "pattern": "Ada"}])  # type: ignore[attr-defined]

#: Readers, with what a record of theirs is for one word.
READERS: Dict[str, Any] = {
    "graphs": (
        GraphJsonlReader(),
        lambda word: {
            "id": word,
            "nodes": [{"text": word}] * 2,
            "edges": [{"source": 0, "target": 1, "type": word}],
            "label": word,
        },
    ),
    "questions": (
        WikiHopReader(),
        lambda word: {"id": word, "query": word, "candidates": [word], "supports": [word] * 2},
    ),
    "paragraphs": (HotpotQaGraphReader(ENTITIES), lambda word: {"_id": word, "question": word, "context": []}),
    "sentences": (
        Conll2009SrlReader("universal_dependencies"),
        lambda word: "\n".join(
            [row(1, word, 0, "root", predicate=True, roles=["_"]), row(2, "x", 1, "obj", roles=["A1"])]
        ),
    ),
    "treebank": (
        NltkPropbankReader(),
        lambda word: f"( (S (NP-SBJ (NN {word})) (VP (VB x))) )",
    ),
    "propositions": (
        UniversalPropositionsReader(),
        lambda word: f"1\t{word}\t_\tVERB\t_\t_\t0\troot\t_\t_\tdo.01\tV\n2\tx\t_\tX\t_\t_\t1\tobj\t_\t_\t_\tARG1",
    ),
    "stars": (StarGraphReader(), lambda word: StarGraph.from_leaves(("red", "blue"), ["red"], graph_id=word).to_json()),
}
#: Records that cannot be read.
WRONG_RECORDS: Dict[str, Any] = {name: {"id": "wrong", "_id": "wrong"} for name in READERS}
WRONG_RECORDS["treebank"] = "( (S (NN wrong))"
WRONG_RECORDS["sentences"] = WRONG_RECORDS["propositions"] = "1\tnot a row"
#: Readers of sentences in columns.
COLUMNS = ("sentences", "propositions")
#: Readers whose data are one file.
IN_FILES = [name for name in READERS if name != "treebank"]
#: What is between the files of trees and of propositions.
_BETWEEN_FILES = b"\n=====\n"


def build_content(name: str, words: Sequence[str]) -> bytes:
    """A file with a record for each word; for an empty word it is a wrong one."""
    records = [READERS[name][1](word) if word else WRONG_RECORDS[name] for word in words]
    if name == "treebank":
        propositions = [
            f"wsj/00/wsj_0001.mrg {number} 1 gold do.01 ----- 0:1-ARG0 1:0-rel"
            for number, word in enumerate(words)
            if word
        ]
        return _BETWEEN_FILES.join("\n".join(lines).encode() for lines in (records, propositions))
    if name in COLUMNS:
        return text(*records).encode("utf-8", "surrogatepass")
    if name in ("questions", "paragraphs"):
        return json.dumps(records).encode()
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def write_content(name: str, content: bytes, folder: Path) -> str:
    """Write what a reader reads, and return its path."""
    if name != "treebank":
        (folder / "data.jsonl").write_bytes(content)
        return str(folder / "data.jsonl")
    trees, _, propositions = content.partition(_BETWEEN_FILES)
    for file, part in (("treebank/combined/wsj_0001.mrg", trees), ("propbank/prop.txt", propositions)):
        path = folder / "nltk_data" / "corpora" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part)
    return str(folder / "nltk_data")


def get_word(name: str, metadata: Any) -> str:
    """The word that an instance was built of."""
    return metadata["tokens"][0] if name in (*COLUMNS, "treebank") else metadata["id"]


def word_of(name: str, instance: Instance) -> str:
    return get_word(name, instance["metadata"].metadata)


def read(name: str, path: Any) -> Iterator[str]:
    return (word_of(name, instance) for instance in READERS[name][0].read(str(path)))
