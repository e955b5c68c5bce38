// GraphMask on small.jsonnet, whose archive is GRAPHMASK_TARGET. Needs the environment variables of small.jsonnet, too.
local data = import 'small.libsonnet';
local target = std.extVar('GRAPHMASK_TARGET');

data {
  vocabulary: { type: 'from_files', directory: target },
  model: {
    type: 'graphmask',
    target: { type: 'from_archive', archive_file: target },
    initial_multiplier: 3.0,
  },
  data_loader: { batch_size: 16, shuffle: true },
  validation_data_loader: { batch_size: 64, shuffle: false },
  trainer: {
    num_epochs: 40,
    validation_metric: '-selection',
    // The multiplier learns faster than the masker.
    optimizer: { type: 'adam', lr: 5e-3, parameter_groups: [[['(^|\\.)multiplier$'], { lr: 5e-2 }]] },
    callbacks: [{ type: 'graphmask' }],
    checkpointer: { type: 'crash_safe' },
  },
}
