from allennlp_graphmask.metrics.semantic_role_f1 import SemanticRoleF1

__all__ = ["SemanticRoleF1"]
