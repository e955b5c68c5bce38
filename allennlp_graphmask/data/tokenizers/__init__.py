from allennlp_graphmask.data.tokenizers.plain_words import PlainWordsTokenizer

__all__ = ["PlainWordsTokenizer"]
