// GraphMask on large.jsonnet. Needs GRAPHMASK_DATA and GRAPHMASK_TARGET (the archive of large.jsonnet).
(import 'small_graphmask.libsonnet')(import 'large.jsonnet')
