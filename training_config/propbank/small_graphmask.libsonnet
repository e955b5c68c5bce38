// GraphMask on the small model. GRAPHMASK_TARGET is the model's archive.
local srl = import 'srl.libsonnet';
local target = std.extVar('GRAPHMASK_TARGET');

function(model_config) {
  dataset_reader: model_config.dataset_reader,
  train_data_path: model_config.train_data_path,
  validation_data_path: model_config.validation_data_path,
  vocabulary: srl.graphmask_vocabulary(target),
  // One masker that ranks messages for every budget, and for all labels as well as for the roles assigned. The threshold is chosen
  // on the validation data; another one, or a share of the messages to keep, can be asked for when explaining.
  model: srl.graphmask(target, {
    training_foci: ['all', 'assigned'],
    masker: {
      type: 'edgewise',
      hidden_dim: 128,
      num_hidden_layers: 2,
      location_bias: 0.0,
      features: ['relation', 'anchor', 'size', 'gradient'],
    },
    objective: { type: 'all_budgets' },
  }),
  data_loader: srl.data_loader(64),
  validation_data_loader: srl.validation_data_loader(64),
  trainer: {
    num_epochs: 3,
    validation_metric: '-selection',
    optimizer: { type: 'adam', lr: 1e-3 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 50 },
    callbacks: [{ type: 'graphmask', max_changed: 0.05 }],
    checkpointer: { type: 'crash_safe' },
  },
}
