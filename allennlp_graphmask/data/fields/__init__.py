from allennlp_graphmask.data.fields.graph_field import GraphField
from allennlp_graphmask.data.fields.open_label_field import OpenSequenceLabelField

__all__ = ["GraphField", "OpenSequenceLabelField"]
