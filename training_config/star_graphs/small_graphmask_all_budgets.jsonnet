// As small_graphmask.jsonnet, with one masker for every budget that also reads gradients, as in the configs of the other tasks.
(import 'star_graphs.libsonnet').all_budgets('single_layer', 5)
