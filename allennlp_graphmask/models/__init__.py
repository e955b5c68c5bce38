from allennlp_graphmask.models.gcn_srl import GcnSemanticRoleLabeler
from allennlp_graphmask.models.graph_classifier import GraphClassifier
from allennlp_graphmask.models.graph_qa import GraphQuestionAnswering
from allennlp_graphmask.models.star_graph_classifier import StarGraphClassifier

__all__ = ["GcnSemanticRoleLabeler", "GraphClassifier", "GraphQuestionAnswering", "StarGraphClassifier"]
