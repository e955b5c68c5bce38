from allennlp_graphmask.views.sentence.sentence_view import SentenceView

__all__ = ["SentenceView"]
