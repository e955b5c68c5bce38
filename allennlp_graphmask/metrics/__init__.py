from allennlp_graphmask.metrics.conll2009_scores import score_conll2009
from allennlp_graphmask.metrics.mean import Mean
from allennlp_graphmask.metrics.semantic_role_f1 import SemanticRoleF1

__all__ = ["Mean", "SemanticRoleF1", "score_conll2009"]
