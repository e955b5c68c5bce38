// GraphMask on the small model. GRAPHMASK_TARGET is the model's archive.
local wikihop = import 'wikihop.libsonnet';
local target = std.extVar('GRAPHMASK_TARGET');

function(model_config) {
  dataset_reader: model_config.dataset_reader,
  train_data_path: model_config.train_data_path,
  validation_data_path: model_config.validation_data_path,
  vocabulary: wikihop.graphmask_vocabulary(target),
  // One masker that ranks messages for every budget, and for both kinds of focus. With prices below one, several per cent of the
  // answers change however many messages are kept.
  model: wikihop.graphmask(target, {
    training_foci: ['all', 'rival'],
    masker: {
      type: 'edgewise',
      hidden_dim: 64,
      num_hidden_layers: 2,
      location_bias: 0.0,
      features: ['relation', 'size', 'gradient'],
    },
    objective: { type: 'all_budgets', prices: [1, 300], shares: [0.03, 0.9] },
  }),
  data_loader: wikihop.data_loader(32),
  validation_data_loader: wikihop.validation_data_loader(32),
  trainer: {
    num_epochs: 8,
    validation_metric: '-selection',
    optimizer: { type: 'adam', lr: 3e-3 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 30 },
    callbacks: [{ type: 'graphmask', max_changed: 0.05 }],
    checkpointer: { type: 'crash_safe' },
  },
}
