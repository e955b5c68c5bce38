// The tiny model of `make demo`, trained on the fixtures in a minute. Run it from the folder that holds `fixtures/`.
local srl = import 'srl.libsonnet';

{
  dataset_reader: srl.reader('gold', 'universal_dependencies', vectors=false),
  train_data_path: 'fixtures/propbank/train.conll09',
  validation_data_path: 'fixtures/propbank/dev.conll09',
  datasets_for_vocab_creation: ['train'],
  model: srl.model(
    'universal_dependencies',
    graph_encoder={ type: 'syntactic_gcn', input_dim: 64, hidden_dim: 64, num_layers: 2 },
    word_dim=32,
    part_of_speech_dim=16,
    lemma_dim=16,
    scorer_dim=32,
    dropout=0.2,
  ),
  data_loader: srl.data_loader(16),
  validation_data_loader: srl.validation_data_loader(64),
  trainer: {
    num_epochs: 25,
    validation_metric: '+f1',
    grad_norm: 1.0,
    optimizer: { type: 'adamw', lr: 5e-3, weight_decay: 0.01 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 10 },
    callbacks: [{ type: 'reliable_training' }],
    checkpointer: { type: 'crash_safe' },
  },
}
