// GraphMask on pretrained.jsonnet. Needs GRAPHMASK_DATA and GRAPHMASK_TARGET (the archive of pretrained.jsonnet).
(import 'small_graphmask.libsonnet')(import 'pretrained.jsonnet')
