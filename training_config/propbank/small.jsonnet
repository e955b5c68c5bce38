// Semantic role labelling, small model, gold syntax. Needs GRAPHMASK_DATA.
(import 'small.libsonnet')('gold', 'universal_dependencies')
