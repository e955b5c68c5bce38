// GraphMask on transformer.jsonnet, whose archive is GRAPHMASK_TARGET. Needs the environment variables of transformer.jsonnet, too.
(import 'small_graphmask.libsonnet')(import 'transformer.jsonnet')
