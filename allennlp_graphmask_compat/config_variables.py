"""The environment variables that configs read, and what they should hold."""

from __future__ import annotations

#: Of the training configs that come with the package.
DESCRIPTIONS = {
    "CONLL2009_DEV": "the development data of CoNLL-2009, a file in its format",
    "CONLL2009_TRAIN": "the training data of CoNLL-2009, a file in its format",
    "GRAPHMASK_DATA": "the folder with vectors/glove.6B.50d.subset.txt.gz and, for semantic roles, propbank_ewt/ewt_train.conll09.xz",
    "GRAPHMASK_TARGET": "the archive (model.tar.gz) of the trained model that GraphMask explains",
    "GRAPH_DEV": "the graphs that choose the epoch, a file as docs/graph_jsonl.md describes it",
    "GRAPH_TRAIN": "the graphs to train on, a file as docs/graph_jsonl.md describes it",
    "TRANSFORMER": "a pretrained transformer, a name or folder for the transformers library",
    "TRANSFORMER_DIMENSION": "the size of the states of TRANSFORMER, a number such as 384",
    "WIKIHOP_DEV": "the questions that choose the epoch, a file in WikiHop's format",
    "WIKIHOP_TRAIN": "the questions to train on, a file in WikiHop's format",
    "WORD_VECTORS": "a text file of word vectors, such as glove.6B.300d.txt",
    "WORD_VECTORS_DIMENSION": "the dimension of the vectors in WORD_VECTORS, a number such as 300",
}
