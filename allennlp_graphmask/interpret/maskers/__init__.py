from allennlp_graphmask.interpret.maskers.edgewise_masker import EdgewiseMasker
from allennlp_graphmask.interpret.maskers.masker import Masker

__all__ = ["EdgewiseMasker", "Masker"]
