from allennlp_graphmask.interpret.maskers.bilinear_masker import BilinearMasker
from allennlp_graphmask.interpret.maskers.edge_features import EdgeFeature, MaskerInputs
from allennlp_graphmask.interpret.maskers.edgewise_masker import EdgewiseMasker
from allennlp_graphmask.interpret.maskers.masker import Masker, construct_masker

__all__ = ["BilinearMasker", "EdgeFeature", "EdgewiseMasker", "Masker", "MaskerInputs", "construct_masker"]
