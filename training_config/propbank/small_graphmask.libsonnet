// GraphMask on the small model. GRAPHMASK_TARGET is the model's archive.
local srl = import 'srl.libsonnet';
local target = std.extVar('GRAPHMASK_TARGET');

function(model_config) {
  dataset_reader: model_config.dataset_reader,
  train_data_path: model_config.train_data_path,
  validation_data_path: model_config.validation_data_path,
  vocabulary: srl.graphmask_vocabulary(target),
  // All numbers not given are the defaults of `graphmask`. A small hidden layer overfits less than the default, which is as
  // large as the messages, and makes explaining cheaper.
  model: srl.graphmask(target, { masker: { type: 'edgewise', hidden_dim: 64 } }),
  data_loader: srl.data_loader(64),
  validation_data_loader: srl.validation_data_loader(64),
  trainer: {
    num_epochs: 4,
    validation_metric: '-selection',
    optimizer: srl.graphmask_optimizer(1e-3, 2e-2),
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 0 },
    // The masker fits the training data better than others, so gates at their own threshold change a little more there than
    // the allowance. The threshold is therefore moved, on the validation data, to where it is kept.
    callbacks: [{ type: 'graphmask', max_changed: 0.05 }],
    checkpointer: { type: 'crash_safe' },
  },
}
