from allennlp_graphmask.data.propbank_ewt.merging import SplitCounts, merge_propbank_ewt

__all__ = ["SplitCounts", "merge_propbank_ewt"]
