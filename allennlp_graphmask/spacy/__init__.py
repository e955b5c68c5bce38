"""Semantic roles and their explanations in a spaCy pipeline: `nlp.add_pipe("graphmask_srl")`; see docs/spacy.md."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allennlp_graphmask.spacy._component import GraphMaskSrl, Predicate, Role

__all__ = ["GraphMaskSrl", "Predicate", "Role"]


# spaCy takes time to import. With its plugins AllenNLP imports all modules of a package but those whose names begin with an underscore.
def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from allennlp_graphmask.spacy import _component

    return getattr(_component, name)
