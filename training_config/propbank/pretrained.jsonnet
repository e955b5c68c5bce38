// The role labeller that is shipped: small_predicted.jsonnet in at most 12 MB, GraphMask included. Needs GRAPHMASK_DATA.
// Nearly all of the small model's size are vectors of words; here the most frequent words, and those of the training data, have
// one, and words that are rare in the training data have no embedding of their own beside it. (A sentence counts once for each predicate.)
local small = import 'small_predicted.jsonnet';

small {
  vocabulary+: {
    min_count: { tokens: 10 },
    min_pretrained_embeddings: { vector_words: 12000 },
  },
  model+: {
    text_field_embedder+: { token_embedders+: { tokens+: { embedding_dim: 64 } } },
    seq2seq_encoder+: { input_size: small.model.seq2seq_encoder.input_size - 36 },
  },
  trainer+: { num_epochs: 10 },
}
