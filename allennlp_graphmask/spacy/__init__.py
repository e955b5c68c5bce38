"""Semantic roles and their explanations in a spaCy pipeline: `nlp.add_pipe("graphmask_srl")`."""

from allennlp_graphmask.spacy.component import GraphMaskSrl, Predicate, Role

__all__ = ["GraphMaskSrl", "Predicate", "Role"]
