// Multi-hop question answering, the small model on the states of a frozen pretrained transformer. Needs WIKIHOP_TRAIN, WIKIHOP_DEV,
// GRAPHMASK_DATA, TRANSFORMER, a name or folder for the transformers library, and TRANSFORMER_DIMENSION, the size of its states.
local small = import 'small.libsonnet';
local name = std.extVar('TRANSFORMER');
local dimension = std.parseInt(std.extVar('TRANSFORMER_DIMENSION'));

small {
  dataset_reader+: {
    token_indexers: {
      transformer: { type: 'pretrained_transformer_mismatched', model_name: name, max_length: 512 },
    },
  },
  vocabulary: {},
  model+: {
    text_field_embedder: {
      token_embedders: {
        transformer: { type: 'cached_transformer_mismatched', model_name: name, max_length: 512 },
      },
    },
    query_encoder+: { input_size: dimension },
    // Words in context already: no window beside the mention.
    context_size: 0,
    mention_encoder+: { input_dim: dimension + 1 },
  },
}
