// Semantic role labelling, small model, predicted syntax. Needs GRAPHMASK_DATA.
(import 'small.libsonnet')('predicted', 'clearnlp')
