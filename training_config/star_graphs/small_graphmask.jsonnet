// GraphMask on small.jsonnet, whose archive is GRAPHMASK_TARGET. See docs/star_graphs.md for why these settings.
local stars = import 'star_graphs.libsonnet';

stars.data('single_layer') + stars.graphmask({
  divergence: 'kl',
  initial_multiplier: 1.0,
  constraint_bound: 0.01,
}) {
  // 400 batches are enough. After 200 and after 400 it is looked at the graphs of `dev`.
  data_loader: stars.data_loader(32) { batches_per_epoch: 200 },
  validation_data_loader: stars.validation_data_loader,
  trainer: {
    num_epochs: 2,
    validation_metric: '-selection',
    grad_norm: stars.grad_norm,
    optimizer: { type: 'adam', lr: 3e-3, parameter_groups: [[['(^|\\.)multiplier$'], { lr: 2e-3 }]] },
    callbacks: [{ type: 'graphmask' }],
    checkpointer: { type: 'crash_safe' },
  },
}
