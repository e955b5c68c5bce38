from allennlp_graphmask.predictors.graph_qa import GraphQaPredictor
from allennlp_graphmask.predictors.graph_srl import GraphSrlPredictor
from allennlp_graphmask.predictors.graphmask import GraphMaskPredictor
from allennlp_graphmask.predictors.spacy_parser import SpacyParser

__all__ = ["GraphMaskPredictor", "GraphQaPredictor", "GraphSrlPredictor", "SpacyParser"]
