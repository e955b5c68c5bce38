// The small model on the states of a frozen pretrained transformer, in the place of word vectors. Needs GRAPHMASK_DATA, TRANSFORMER, a
// name or folder for the transformers library, and TRANSFORMER_DIMENSION, the size of its states. Those of a lower layer can be better:
// see docs/results/transformer.md.
local srl = import 'srl.libsonnet';
local small_model = import 'small.libsonnet';
local name = std.extVar('TRANSFORMER');
local dimension = std.parseInt(std.extVar('TRANSFORMER_DIMENSION'));
local vectors_dimension = 50;

function(syntax, dependency_scheme)
  local small = small_model(syntax, dependency_scheme);
  small {
    dataset_reader+: {
      token_indexers+: {
        vectors:: null,
        transformer: { type: 'pretrained_transformer_mismatched', model_name: name, max_length: 512 },
      },
    },
    vocabulary: srl.vocabulary(null),
    model+: {
      text_field_embedder+: {
        token_embedders+: {
          vectors:: null,
          transformer: { type: 'cached_transformer_mismatched', model_name: name, max_length: 512 },
        },
      },
      seq2seq_encoder+: { input_size: small.model.seq2seq_encoder.input_size - vectors_dimension + dimension },
    },
  }
