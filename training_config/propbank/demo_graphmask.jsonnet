// GraphMask on the tiny model of `make demo`. GRAPHMASK_TARGET is the model's archive.
local srl = import 'srl.libsonnet';
local model_config = import 'demo.jsonnet';
local target = std.extVar('GRAPHMASK_TARGET');

{
  dataset_reader: model_config.dataset_reader,
  train_data_path: model_config.train_data_path,
  validation_data_path: model_config.validation_data_path,
  vocabulary: srl.graphmask_vocabulary(target),
  // A few sentences of training data: the masker learns them by heart, so that the divergence allowed on them has to be less
  // than what is accepted on others.
  model: srl.graphmask(target, { epochs_per_layer: 10, allowance: 0.03, constraint_bound: 0.055 }),
  data_loader: srl.data_loader(16),
  validation_data_loader: srl.validation_data_loader(64),
  trainer: {
    num_epochs: 40,
    validation_metric: '-selection',
    optimizer: srl.graphmask_optimizer(3e-3, 5e-2),
    callbacks: [{ type: 'graphmask' }],
    checkpointer: { type: 'crash_safe' },
  },
}
