from allennlp_graphmask.modules.graph_encoders import GraphEncoder, SyntacticGcn
from allennlp_graphmask.modules.intervention import Gate, Messages, apply_gate, intervening

__all__ = ["Gate", "GraphEncoder", "Messages", "SyntacticGcn", "apply_gate", "intervening"]
