// Semantic role labelling, the model of the paper's size without an LSTM (two graph convolutions), trained as small_gcn_only.jsonnet
// is. Needs GRAPHMASK_DATA, and a GPU to train in minutes.
(import 'small.libsonnet')('gold', 'universal_dependencies', with_lstm=false, size='large')
