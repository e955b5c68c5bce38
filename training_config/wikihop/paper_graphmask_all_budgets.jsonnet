// GraphMask on paper.jsonnet, trained as on small.jsonnet: one masker for every budget. GRAPHMASK_TARGET is the archive of
// paper.jsonnet, whose environment variables are needed too.
(import 'small_graphmask.libsonnet')(import 'paper.libsonnet')
