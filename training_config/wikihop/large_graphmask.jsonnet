// GraphMask on large.jsonnet, or on paper.jsonnet, trained as on small.jsonnet: one masker for every budget. GRAPHMASK_TARGET is the
// model's archive; the environment variables of paper.jsonnet are needed too.
(import 'small_graphmask.libsonnet')(import 'large.jsonnet')
