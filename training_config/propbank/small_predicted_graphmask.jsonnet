// GraphMask on small_predicted.jsonnet. Needs GRAPHMASK_DATA and GRAPHMASK_TARGET (the archive of small_predicted.jsonnet).
(import 'small_graphmask.libsonnet')(import 'small_predicted.jsonnet')
