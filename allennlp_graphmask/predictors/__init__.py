from allennlp_graphmask.predictors.explaining_predictor import ExplainingPredictor
from allennlp_graphmask.predictors.graph_classifier import GraphClassifierPredictor
from allennlp_graphmask.predictors.graph_qa import GraphQaPredictor
from allennlp_graphmask.predictors.graph_srl import GraphSrlPredictor
from allennlp_graphmask.predictors.graphmask import GraphMaskPredictor
from allennlp_graphmask.predictors.load import load_explaining_predictor
from allennlp_graphmask.predictors.spacy_parser import SpacyParser

__all__ = [
    "ExplainingPredictor",
    "GraphClassifierPredictor",
    "GraphMaskPredictor",
    "GraphQaPredictor",
    "GraphSrlPredictor",
    "SpacyParser",
    "load_explaining_predictor",
]
