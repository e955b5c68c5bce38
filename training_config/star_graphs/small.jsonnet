// The synthetic task of Schlichtkrull, De Cao and Titov (2021), for which it is known which edges matter.
local stars = import 'star_graphs.libsonnet';

stars.data('single_layer') {
  datasets_for_vocab_creation: ['train'],
  model: stars.model(1),
  data_loader: stars.data_loader(32),
  validation_data_loader: stars.validation_data_loader,
  trainer: {
    num_epochs: 5,
    validation_metric: '-loss',
    optimizer: { type: 'adam', lr: 5e-3 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 0 },
    callbacks: [{ type: 'reliable_training' }],
    checkpointer: { type: 'crash_safe' },
  },
}
