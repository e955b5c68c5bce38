// GraphMask on large_gcn_only.jsonnet. Needs GRAPHMASK_DATA and GRAPHMASK_TARGET (the archive of large_gcn_only.jsonnet).
(import 'small_graphmask.libsonnet')(import 'large_gcn_only.jsonnet')
