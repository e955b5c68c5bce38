// Semantic role labelling, the model of the paper's size (one graph convolution on a four-layer BiLSTM), trained as small.jsonnet is.
// Needs GRAPHMASK_DATA, and a GPU to train in minutes.
(import 'small.libsonnet')('gold', 'universal_dependencies', size='large')
