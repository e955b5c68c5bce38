from typing import Any, Dict, Mapping

import torch
from allennlp.common import FromParams
from allennlp.common.checks import ConfigurationError
from allennlp.data import TextFieldTensors, Vocabulary


class WordDropout(torch.nn.Module, FromParams):
    """
    Replaces words by the unknown word in training, a word that occurs f times in the training data with probability
    `alpha / (f + alpha)` ([Kiperwasser and Goldberg, 2016](https://arxiv.org/abs/1603.04351), section 4.1), so that the
    unknown word gets a useful embedding.

    The counts come from the vocabulary that AllenNLP made from the training instances. They are a buffer, because a
    vocabulary read from files (that of an archive, say) has no counts.

    # Parameters

    vocab : `Vocabulary`
        Given by AllenNLP.
    indexer : `str`, optional (default = `"tokens"`)
        The name of the token indexer whose indices are replaced (that of a `single_id` indexer).
    namespace : `str`, optional (default = `"tokens"`)
        The vocabulary namespace of that indexer.
    alpha : `float`, optional (default = `0.25`)
    """

    counts: torch.Tensor

    def __init__(
        self, vocab: Vocabulary, *, indexer: str = "tokens", namespace: str = "tokens", alpha: float = 0.25
    ) -> None:
        super().__init__()
        if alpha < 0:
            raise ConfigurationError(f"word_dropout.alpha must not be negative, got {alpha}.")
        self._indexer = indexer
        self._namespace = namespace
        self._alpha = alpha
        self._unknown_index = vocab.get_token_index(vocab._oov_token, namespace)
        self.register_buffer("counts", torch.zeros(vocab.get_vocab_size(namespace)))
        # AllenNLP has no public way to the counts it made the vocabulary from.
        self.set_counts(vocab, vocab._retained_counter or {})

    def set_counts(self, vocab: Vocabulary, counter: Mapping[str, Mapping[str, int]]) -> None:
        """Set how often each word of the vocabulary occurs in the training data, by namespace and word."""
        known_words = vocab.get_token_to_index_vocabulary(self._namespace)
        for word, count in counter.get(self._namespace, {}).items():
            if word in known_words:
                self.counts[known_words[word]] = count

    def _load_from_state_dict(self, state_dict: Dict[str, Any], prefix: str, *arguments: Any) -> None:
        # Of a model that was fine-tuned on other data, they are fewer than the words of its vocabulary.
        counts = state_dict.get(f"{prefix}counts", self.counts)
        self.counts = self.counts.new_zeros(counts.shape)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def forward(self, tokens: TextFieldTensors) -> TextFieldTensors:
        """
        Return a copy with words replaced in training, the same object otherwise.

        # Raises

        `ConfigurationError` if there is no such indexer, or for training without counts.
        """
        if not self.training or self._alpha == 0:
            return tokens
        if self._indexer not in tokens or "tokens" not in tokens[self._indexer]:
            raise ConfigurationError(
                f"word_dropout.indexer is '{self._indexer}', but the text has the indexers {sorted(tokens)}. Name one of type "
                "single_id."
            )
        if not bool(self.counts.any()):
            raise ConfigurationError(
                f"Word dropout needs the counts of the words in namespace '{self._namespace}', and a vocabulary read from files has "
                'none. Make it from the training data ("vocabulary": {"type": "from_instances"}, the default), or remove '
                "word_dropout from the model's config. Distributed training always reads it from files: add "
                '{"type": "distributed"} to "trainer": {"callbacks": [...]}, which counts them.'
            )
        indices = tokens[self._indexer]["tokens"]  # Shape: (batch_size, num_tokens)
        # Words that were added to the vocabulary after training have no count and are not replaced.
        known = indices < self.counts.numel()
        counts = self.counts[indices.clamp(max=self.counts.numel() - 1)]
        drop = torch.rand(indices.shape, device=indices.device) < self._alpha / (counts + self._alpha)
        dropped = torch.where(drop & known & (indices != 0), torch.full_like(indices, self._unknown_index), indices)
        return {**tokens, self._indexer: {**tokens[self._indexer], "tokens": dropped}}
