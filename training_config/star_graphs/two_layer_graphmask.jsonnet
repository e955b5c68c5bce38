// GraphMask on two_layer.jsonnet, whose archive is GRAPHMASK_TARGET.
local stars = import 'star_graphs.libsonnet';

stars.data('two_layer') + stars.graphmask({
  allowance: 0.02,
  multiplier_start: 5.0,
}) {
  data_loader: stars.data_loader(32),
  validation_data_loader: stars.validation_data_loader,
  trainer: {
    num_epochs: 4,
    validation_metric: '-selection',
    optimizer: { type: 'adam', lr: 3e-3, parameter_groups: [[['(^|\\.)multiplier$'], { lr: 1e-2 }]] },
    callbacks: [{ type: 'graphmask' }],
  },
}
