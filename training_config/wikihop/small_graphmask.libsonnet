// GraphMask on the small model. GRAPHMASK_TARGET is the model's archive.
local wikihop = import 'wikihop.libsonnet';
local target = std.extVar('GRAPHMASK_TARGET');

function(model_config) {
  dataset_reader: model_config.dataset_reader,
  train_data_path: model_config.train_data_path,
  validation_data_path: model_config.validation_data_path,
  vocabulary: wikihop.graphmask_vocabulary(target),
  model: wikihop.graphmask(target, {
    masker: { type: 'bilinear' },
    // The model is surer of the questions it was trained on, where the masker learns, than of others: what changes few of their
    // answers has to change the distributions over training questions hardly at all. On few questions the divergence is also a
    // less noisy constraint than the share of changed answers.
    allowance: 0.003,
    constraint: 'divergence',
    constraint_bound: 0.012,
    penalty_scaling: 0.04,
    initial_multiplier: 3.0,
  }),
  data_loader: wikihop.data_loader(32),
  validation_data_loader: wikihop.validation_data_loader(32),
  trainer: {
    num_epochs: 10,
    validation_metric: '-selection',
    optimizer: wikihop.graphmask_optimizer(2e-3, 5e-2),
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 0 },
    callbacks: [{ type: 'graphmask' }],
    checkpointer: { type: 'crash_safe' },
  },
}
