// GraphMask on pretrained.jsonnet, whose archive is GRAPHMASK_TARGET. Needs the environment variables of pretrained.jsonnet, too.
(import 'small_graphmask.libsonnet')(import 'pretrained.jsonnet')
