from allennlp_graphmask.modules.cached_transformer_embedder import CachedTransformerMismatchedEmbedder
from allennlp_graphmask.modules.graph_encoders import EntityGcn, GraphAttention, GraphEncoder, Rgcn, SyntacticGcn
from allennlp_graphmask.modules.intervention import Gate, Messages, apply_gate, intervening

__all__ = [
    "CachedTransformerMismatchedEmbedder",
    "EntityGcn",
    "Gate",
    "GraphAttention",
    "GraphEncoder",
    "Messages",
    "Rgcn",
    "SyntacticGcn",
    "apply_gate",
    "intervening",
]
