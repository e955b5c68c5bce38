// The synthetic task of Schlichtkrull, De Cao and Titov (2021) with the numbers of the paper: 10,000 graphs, 6 colours, 6 to 12
// leaves, one layer of size 100.
local stars = import 'star_graphs.libsonnet';

stars.data('single_layer') {
  datasets_for_vocab_creation: ['train'],
  model: stars.model(1),
  data_loader: stars.data_loader(32),
  validation_data_loader: stars.validation_data_loader,
  trainer: {
    num_epochs: 25,
    validation_metric: '+accuracy',
    optimizer: { type: 'adam', lr: 3e-4 },
    callbacks: [{ type: 'reliable_training' }],
    checkpointer: { type: 'crash_safe' },
  },
}
