from allennlp_graphmask.modules.graph_encoders.graph_encoder import GraphEncoder
from allennlp_graphmask.modules.graph_encoders.syntactic_gcn import SyntacticGcn

__all__ = ["GraphEncoder", "SyntacticGcn"]
