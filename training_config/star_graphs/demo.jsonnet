// small.jsonnet on fewer graphs, for `make demo`.
local stars = import 'star_graphs.libsonnet';

(import 'small.jsonnet') + stars.data('single_layer', { num_train: 2500, num_dev: 200, num_test: 200 }) {
  trainer+: { num_epochs: 10 },
}
