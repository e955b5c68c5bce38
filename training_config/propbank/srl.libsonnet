// Parts shared by the semantic role labelling configs: the model of Marcheggiani and Titov (2017),
// https://arxiv.org/abs/1703.04826, and GraphMask on it (Schlichtkrull, De Cao and Titov, 2021,
// https://arxiv.org/abs/2010.00577).
{
  // syntax: 'gold' or 'predicted', the columns of the file that lemmas, tags and trees are taken from.
  // dependency_scheme: the scheme of these trees. vectors: whether words also have pretrained vectors.
  reader(syntax, dependency_scheme, vectors=true, predicates='all'):: {
    type: 'conll2009_srl',
    syntax: syntax,
    dependency_scheme: dependency_scheme,
    predicates: predicates,
    token_indexers: {
      tokens: { type: 'single_id', lowercase_tokens: true },
      part_of_speech: { type: 'single_id', namespace: 'parts_of_speech', feature_name: 'pos_' },
      [if vectors then 'vectors']: { type: 'single_id', namespace: 'vector_words', lowercase_tokens: true },
    },
    lemma_indexers: { lemmas: { type: 'single_id', namespace: 'lemmas', feature_name: 'lemma_' } },
  },

  // Words and labels are those of the training data; every word of the file of vectors has its vector.
  vocabulary(vectors_path):: {
    [if vectors_path != null then 'pretrained_files']: { vector_words: vectors_path },
    [if vectors_path != null then 'min_pretrained_embeddings']: { vector_words: 10000000 },
  },

  // The fields that the two models differ in are arguments.
  model(
    dependency_scheme,
    graph_encoder,
    seq2seq_encoder=null,
    word_dim=100,
    part_of_speech_dim=16,
    lemma_dim=100,
    scorer_dim=128,
    vectors_path=null,
    vectors_dim=0,
    dropout=0.0,
  ):: {
    local lemma_embedder(dim) = {
      token_embedders: { lemmas: { type: 'embedding', vocab_namespace: 'lemmas', embedding_dim: dim } },
    },
    type: 'gcn_srl',
    dependency_scheme: dependency_scheme,
    text_field_embedder: {
      token_embedders: {
        tokens: { type: 'embedding', embedding_dim: word_dim },
        part_of_speech: {
          type: 'embedding', vocab_namespace: 'parts_of_speech', embedding_dim: part_of_speech_dim,
        },
        [if vectors_path != null then 'vectors']: {
          type: 'embedding', vocab_namespace: 'vector_words', embedding_dim: vectors_dim,
          pretrained_file: vectors_path, trainable: false,
        },
      },
    },
    predicate_lemma_embedder: lemma_embedder(lemma_dim),
    scorer_lemma_embedder: lemma_embedder(scorer_dim),
    role_dim: scorer_dim,
    [if seq2seq_encoder != null then 'seq2seq_encoder']: seq2seq_encoder {
      input_size: word_dim + part_of_speech_dim + lemma_dim + vectors_dim + 1,
    },
    graph_encoder: graph_encoder,
    word_dropout: { alpha: 0.25 },
    dropout: dropout,
  },

  // Sentences of about the same length together.
  data_loader(batch_size):: {
    batch_sampler: { type: 'bucket', batch_size: batch_size, sorting_keys: ['tokens'] },
  },
  validation_data_loader(batch_size):: { batch_size: batch_size, shuffle: false },

  // GraphMask on a trained model; `settings` are those of the `graphmask` model.
  graphmask(target_archive, settings):: {
    type: 'graphmask',
    target: { type: 'from_archive', archive_file: target_archive },
  } + settings,

  graphmask_vocabulary(target_archive):: { type: 'from_files', directory: target_archive },

  // The multiplier's learning rate is its own, in the same optimizer.
  graphmask_optimizer(learning_rate, multiplier_learning_rate, type='adam'):: {
    type: type,
    lr: learning_rate,
    parameter_groups: [[['(^|\\.)multiplier$'], { lr: multiplier_learning_rate }]],
  },
}
