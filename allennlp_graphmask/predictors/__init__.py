from allennlp_graphmask.predictors.graph_classifier import GraphClassifierPredictor
from allennlp_graphmask.predictors.graph_qa import GraphQaPredictor
from allennlp_graphmask.predictors.graph_srl import GraphSrlPredictor
from allennlp_graphmask.predictors.graphmask import GraphMaskPredictor
from allennlp_graphmask.predictors.spacy_parser import SpacyParser

__all__ = [
    "GraphClassifierPredictor",
    "GraphMaskPredictor",
    "GraphQaPredictor",
    "GraphSrlPredictor",
    "SpacyParser",
]
