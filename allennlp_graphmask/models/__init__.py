from allennlp_graphmask.models.gcn_srl import GcnSemanticRoleLabeler

__all__ = ["GcnSemanticRoleLabeler"]
