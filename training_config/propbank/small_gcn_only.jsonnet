// Semantic role labelling, small model of two graph convolutions without an LSTM, gold syntax. Needs GRAPHMASK_DATA.
(import 'small.libsonnet')('gold', 'universal_dependencies', with_lstm=false)
