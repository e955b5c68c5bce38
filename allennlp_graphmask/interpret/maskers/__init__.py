from allennlp_graphmask.interpret.maskers.bilinear_masker import BilinearMasker
from allennlp_graphmask.interpret.maskers.edge_features import (
    AnchorFeature,
    EdgeFeature,
    GradientFeature,
    MaskerInputs,
    RelationFeature,
    SizeFeature,
)
from allennlp_graphmask.interpret.maskers.edgewise_masker import EdgewiseMasker
from allennlp_graphmask.interpret.maskers.masker import Masker, construct_masker

__all__ = [
    "AnchorFeature",
    "BilinearMasker",
    "EdgeFeature",
    "EdgewiseMasker",
    "GradientFeature",
    "Masker",
    "MaskerInputs",
    "RelationFeature",
    "SizeFeature",
    "construct_masker",
]
