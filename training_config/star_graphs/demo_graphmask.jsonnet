// small_graphmask.jsonnet on fewer graphs, for `make demo`. GRAPHMASK_TARGET is the archive of demo.jsonnet.
local stars = import 'star_graphs.libsonnet';

(import 'small_graphmask.jsonnet') + stars.data('single_layer', { num_train: 2500, num_dev: 200, num_test: 200 }) {
  data_loader+: { batches_per_epoch: 79 },
  trainer+: { num_epochs: 5 },
}
