// GraphMask on two_layer.jsonnet, whose archive is GRAPHMASK_TARGET. See docs/star_graphs.md for why these settings.
local stars = import 'star_graphs.libsonnet';

stars.data('two_layer') + stars.graphmask({
  divergence: 'kl',
  initial_multiplier: 1.0,
  multiplier_bounds: [0.0, 30.0],
  constraint_bound: 0.01,
  // The top layer has few edges that can be dropped. With all layers at once it can stay open.
  epochs_per_layer: 1,
}) {
  data_loader: stars.data_loader(32),
  validation_data_loader: stars.validation_data_loader,
  trainer: {
    num_epochs: 4,
    validation_metric: '-selection',
    grad_norm: stars.grad_norm,
    optimizer: { type: 'adam', lr: 3e-3, parameter_groups: [[['(^|\\.)multiplier$'], { lr: 2e-3 }]] },
    callbacks: [{ type: 'graphmask' }],
    checkpointer: { type: 'crash_safe' },
  },
}
