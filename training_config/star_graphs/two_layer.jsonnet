// Star graphs with branches between the leaves and the centre: two layers, in each of which other edges matter.
local stars = import 'star_graphs.libsonnet';

stars.data('two_layer') {
  datasets_for_vocab_creation: ['train'],
  model: stars.model(2),
  data_loader: stars.data_loader(32),
  validation_data_loader: stars.validation_data_loader,
  trainer: {
    num_epochs: 10,
    validation_metric: '-loss',
    optimizer: { type: 'adam', lr: 5e-3 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 0 },
    callbacks: [{ type: 'reliable_training' }],
    checkpointer: { type: 'crash_safe' },
  },
}
