// GraphMask on small.jsonnet. Needs GRAPHMASK_DATA and GRAPHMASK_TARGET (the archive of small.jsonnet).
(import 'small_graphmask.libsonnet')(import 'small.jsonnet')
