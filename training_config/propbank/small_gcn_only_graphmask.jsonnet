// GraphMask on small_gcn_only.jsonnet. Needs GRAPHMASK_DATA and GRAPHMASK_TARGET (the archive of small_gcn_only.jsonnet).
(import 'small_graphmask.libsonnet')(import 'small_gcn_only.jsonnet')
