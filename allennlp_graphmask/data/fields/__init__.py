from allennlp_graphmask.data.fields.graph_field import GraphField
from allennlp_graphmask.data.fields.open_label_field import OpenLabelField, OpenSequenceLabelField

__all__ = ["GraphField", "OpenLabelField", "OpenSequenceLabelField"]
