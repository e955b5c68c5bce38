// GraphMask with the paper's settings on paper.jsonnet, whose archive is GRAPHMASK_TARGET: straight-through gates, a multiplier
// that cannot fall, dropout in the masked pass. Needs the environment variables of paper.jsonnet, too.
local wikihop = import 'wikihop.libsonnet';
local model_config = import 'paper.libsonnet';
local target = std.extVar('GRAPHMASK_TARGET');

{
  dataset_reader: model_config.dataset_reader,
  train_data_path: model_config.train_data_path,
  validation_data_path: model_config.validation_data_path,
  vocabulary: wikihop.graphmask_vocabulary(target),
  model: wikihop.graphmask(target, {
    masker: { type: 'bilinear' },
    divergence: 'prediction_nll',
    gates: 'straight_through',
    penalty_scaling: 2.0,
    allowance: 0.03,
    two_sided: false,
    initial_multiplier: 0.55,
    epochs_per_layer: 3,
    dropout_in_masked_pass: true,
    constraint: 'score',
    score_metric: 'accuracy',
    constraint_bound: 0.03,
  }),
  // An effective batch of 32 questions, few of which fit into the memory of a small GPU at once.
  data_loader: wikihop.data_loader(8),
  validation_data_loader: wikihop.validation_data_loader(8),
  trainer: {
    num_epochs: 3 * model_config.model.graph_encoder.num_layers,
    num_gradient_accumulation_steps: 4,
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
