// GraphMask on small.jsonnet, whose archive is GRAPHMASK_TARGET. Needs the environment variables of small.jsonnet, too.
(import 'small_graphmask.libsonnet')(import 'small.libsonnet')
