// GraphMask with the paper's settings on paper.jsonnet (or small.jsonnet), whose archive is GRAPHMASK_TARGET: batches of 5 graphs,
// straight-through gates, a multiplier that cannot fall. It takes minutes.
local stars = import 'star_graphs.libsonnet';

stars.data('single_layer') + stars.graphmask({
  divergence: 'prediction_nll',
  gates: 'straight_through',
  penalty_scaling: 5.0,
  allowance: 0.03,
  two_sided: false,
  initial_multiplier: 0.55,
  dropout_in_masked_pass: true,
  constraint: 'score',
  score_metric: 'accuracy',
  constraint_bound: 0.05,
}) {
  data_loader: stars.data_loader(5),
  validation_data_loader: stars.validation_data_loader,
  trainer: {
    num_epochs: 25,
    validation_metric: '-selection',
    optimizer: {
      type: 'multi',
      optimizers: { default: { type: 'adam', lr: 3e-4 }, multiplier: { type: 'rmsprop', lr: 1e-2, centered: true } },
      parameter_groups: [[['(^|\\.)multiplier$'], { optimizer_name: 'multiplier' }]],
    },
    callbacks: [{ type: 'graphmask' }],
    checkpointer: { type: 'crash_safe' },
  },
}
