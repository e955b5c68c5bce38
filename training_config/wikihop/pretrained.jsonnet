// The model that is shipped: small.jsonnet in at most 8 MB, GraphMask included. Needs GRAPHMASK_DATA, WIKIHOP_TRAIN and WIKIHOP_DEV.
// Nearly all of its size are vectors of words: the most frequent ones, and those of the training data, have one.
local small = import 'small.libsonnet';

small {
  vocabulary+: {
    min_pretrained_embeddings: { vector_words: 20000 },
    min_count: { vector_words: 5 },
    only_include_pretrained_words: true,
  },
}
