// GraphMask on transformer.jsonnet. Needs GRAPHMASK_TARGET (its archive) and the environment variables of transformer.libsonnet.
(import 'small_graphmask.libsonnet')(import 'transformer.jsonnet')
