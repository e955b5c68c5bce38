// Parts shared by the WikiHop configs: the model of De Cao, Aziz and Titov (2019), https://arxiv.org/abs/1808.09920, and
// GraphMask on it (Schlichtkrull, De Cao and Titov, 2021, https://arxiv.org/abs/2010.00577).
{
  // Only words of the file of vectors are known; they have those vectors and are not trained.
  reader(settings={}):: {
    type: 'wikihop',
    token_indexers: { vectors: { type: 'single_id', namespace: 'vector_words', lowercase_tokens: true } },
    // Of the files that say something of coreference; the official ones do not.
    coreference: { type: 'annotated' },
  } + settings,

  // Every word of the file of vectors has its vector, whether the training data have it or not.
  vocabulary(vectors_path):: {
    pretrained_files: { vector_words: vectors_path },
    min_pretrained_embeddings: { vector_words: 10000000 },
  },

  // query_dim, mention_dim: sizes of the encoded question and of a mention; they are put beside each other for a node.
  model(
    vectors_path,
    vectors_dim,
    graph_encoder,
    query_seq2seq_encoder,
    query_encoder,
    query_dim,
    mention_dim,
    node_hidden_dims,
    scorer_hidden_dims,
    use_subject_feature=true,
    context_size=0,
    dropout=0.0,
    mention_dropout=0.0,
  ):: {
    // The last size is that of the result.
    local feedforward(input_dim, dims, last_is_linear=false) = {
      input_dim: input_dim,
      num_layers: std.length(dims),
      hidden_dims: dims,
      activations: [
        if last_is_linear && layer == std.length(dims) - 1 then 'linear' else 'relu'
        for layer in std.range(0, std.length(dims) - 1)
      ],
    },
    local embedding_dim = vectors_dim * (if context_size > 0 then 3 else 1) + (if use_subject_feature then 1 else 0),
    type: 'graph_qa',
    text_field_embedder: {
      token_embedders: {
        vectors: {
          type: 'embedding', vocab_namespace: 'vector_words', embedding_dim: vectors_dim,
          pretrained_file: vectors_path, trainable: false,
        },
      },
    },
    [if query_seq2seq_encoder != null then 'query_seq2seq_encoder']: query_seq2seq_encoder,
    query_encoder: query_encoder,
    mention_encoder: feedforward(embedding_dim, [mention_dim]),
    node_encoder: feedforward(mention_dim + query_dim, node_hidden_dims + [graph_encoder.input_dim]),
    graph_encoder: graph_encoder,
    scorer: feedforward(graph_encoder.input_dim + query_dim, scorer_hidden_dims + [1], last_is_linear=true),
    use_subject_feature: use_subject_feature,
    context_size: context_size,
    dropout: dropout,
    mention_dropout: mention_dropout,
  },

  // Questions with about as many mentions together.
  data_loader(batch_size):: {
    batch_sampler: { type: 'bucket', batch_size: batch_size, sorting_keys: ['graph'] },
  },
  validation_data_loader(batch_size):: { batch_size: batch_size, shuffle: false },

  // GraphMask on a trained model; `settings` are those of the `graphmask` model.
  graphmask(target_archive, settings):: {
    type: 'graphmask',
    target: { type: 'from_archive', archive_file: target_archive },
  } + settings,

  graphmask_vocabulary(target_archive):: { type: 'from_files', directory: target_archive },
}
