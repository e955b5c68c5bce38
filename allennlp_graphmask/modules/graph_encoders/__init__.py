from allennlp_graphmask.modules.graph_encoders.entity_gcn import EntityGcn
from allennlp_graphmask.modules.graph_encoders.graph_attention import GraphAttention
from allennlp_graphmask.modules.graph_encoders.graph_encoder import GraphEncoder
from allennlp_graphmask.modules.graph_encoders.relational_graph_encoder import RelationalGraphEncoder
from allennlp_graphmask.modules.graph_encoders.rgcn import Rgcn
from allennlp_graphmask.modules.graph_encoders.syntactic_gcn import SyntacticGcn

__all__ = ["EntityGcn", "GraphAttention", "GraphEncoder", "RelationalGraphEncoder", "Rgcn", "SyntacticGcn"]
