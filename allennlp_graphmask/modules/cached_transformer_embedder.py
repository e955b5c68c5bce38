from typing import Any, Dict, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.modules.token_embedders import PretrainedTransformerMismatchedEmbedder, TokenEmbedder

from allennlp_graphmask.checks import check_at_least


@TokenEmbedder.register("cached_transformer_mismatched")
class CachedTransformerMismatchedEmbedder(PretrainedTransformerMismatchedEmbedder):
    """
    The states that a frozen pretrained transformer has for words. Each text goes through the transformer once, alone, and its states are
    kept in memory: a sentence has an instance for each of its predicates, and training reads all of them in every epoch. So the states of
    a text depend neither on the batch nor on what was read before.

    Registered as a `TokenEmbedder` with name "cached_transformer_mismatched". It reads what the token indexer
    "pretrained_transformer_mismatched" makes. To train the transformer, take the token embedder of that name.

    # Parameters

    model_name : `str`
        The name or folder of the transformer, the same as the indexer's.
    cache_megabytes : `int`, optional (default = `4096`)
        When states fill so much memory, those of further texts are computed each time.
    last_layer_only : `bool`, optional (default = `True`)
        Only true: a mixture of layers would have to be trained.
    max_length, sub_module, load_weights, tokenizer_kwargs, transformer_kwargs, sub_token_mode
        Those of AllenNLP's `PretrainedTransformerMismatchedEmbedder`.

    # Raises

    `ConfigurationError` if `last_layer_only` is false.
    """

    def __init__(
        self,
        model_name: str,
        *,
        cache_megabytes: int = 4096,
        max_length: Optional[int] = None,
        sub_module: Optional[str] = None,
        last_layer_only: bool = True,
        load_weights: bool = True,
        tokenizer_kwargs: Optional[Dict[str, Any]] = None,
        transformer_kwargs: Optional[Dict[str, Any]] = None,
        sub_token_mode: str = "avg",
    ) -> None:
        check_at_least("cached_transformer_mismatched", 0, cache_megabytes=cache_megabytes)
        if not last_layer_only:
            raise ConfigurationError(
                "cached_transformer_mismatched keeps states, so that a mixture of layers could not be trained: leave out last_layer_only, "
                'or take "pretrained_transformer_mismatched". A lower layer alone: {"transformer_kwargs": {"num_hidden_layers": 4}}.'
            )
        super().__init__(
            model_name,
            train_parameters=False,
            max_length=max_length,  # type: ignore[arg-type]
            sub_module=sub_module,  # type: ignore[arg-type]
            last_layer_only=last_layer_only,
            load_weights=load_weights,
            tokenizer_kwargs=tokenizer_kwargs,
            transformer_kwargs=transformer_kwargs,
            sub_token_mode=sub_token_mode,
        )
        self._cache = _Cache(cache_megabytes * 2**20)
        self.eval()

    def train(self, mode: bool = True) -> "CachedTransformerMismatchedEmbedder":
        # Dropout in the transformer would make the states of a text random.
        super().train(False)
        return self

    def get_output_dim(self) -> int:
        return int(super().get_output_dim())  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def forward(
        self,
        token_ids: Any,
        mask: Any,
        offsets: Any,
        wordpiece_mask: Any,
        type_ids: Any = None,
        segment_concat_mask: Any = None,
    ) -> torch.Tensor:
        """
        Return the states of the words, zeros at padding. Shape: from those of AllenNLP's embedder to
        `(batch_size, num_words, output_dim)`.
        """
        states = torch.zeros(*mask.shape, self.get_output_dim(), device=token_ids.device)
        token_rows, offset_rows = token_ids.cpu().numpy(), offsets.cpu().numpy()
        words, pieces = mask.sum(-1).tolist(), wordpiece_mask.sum(-1).tolist()
        # A text of more than `max_length` pieces has special tokens in between.
        tokens = pieces if segment_concat_mask is None else segment_concat_mask.sum(-1).tolist()
        for row, (num_words, num_pieces, num_tokens) in enumerate(zip(words, pieces, tokens)):
            if not num_words:
                continue
            key = token_rows[row, :num_tokens].tobytes() + offset_rows[row, :num_words].tobytes()
            found = self._cache.get(key)
            if found is None:
                found = super().forward(
                    token_ids[row : row + 1, :num_tokens],
                    mask[row : row + 1, :num_words],
                    offsets[row : row + 1, :num_words],
                    wordpiece_mask[row : row + 1, :num_pieces],
                    None if type_ids is None else type_ids[row : row + 1, :num_tokens],
                    None if segment_concat_mask is None else segment_concat_mask[row : row + 1, :num_tokens],
                )
                found = found.squeeze(0).cpu()
                self._cache.add(key, found)
            states[row, :num_words] = found.to(states.device)
        return states


class _Cache:
    """States by text. A copy of a model shares it, as the weights are frozen."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._states: Dict[bytes, torch.Tensor] = {}

    def get(self, key: bytes) -> Optional[torch.Tensor]:
        return self._states.get(key)

    def add(self, key: bytes, states: torch.Tensor) -> None:
        size = len(key) + states.nbytes
        if size <= self._left:
            self._left -= size
            self._states[key] = states

    def __deepcopy__(self, memo: Any) -> "_Cache":
        return self
