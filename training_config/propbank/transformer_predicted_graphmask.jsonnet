// GraphMask on transformer_predicted.jsonnet. Needs GRAPHMASK_TARGET (its archive) and the environment variables of
// transformer.libsonnet.
(import 'small_graphmask.libsonnet')(import 'transformer_predicted.jsonnet')
