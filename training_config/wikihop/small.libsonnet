// The small model: trains on one CPU core in minutes. WIKIHOP_TRAIN and WIKIHOP_DEV are files in WikiHop's format, of which the
// second chooses the epoch.
local wikihop = import 'wikihop.libsonnet';
local vectors_path = std.extVar('GRAPHMASK_DATA') + '/vectors/glove.6B.50d.subset.txt.gz';
local dim = 96;

{
  dataset_reader: wikihop.reader({ subject_in_query: false }),
  train_data_path: std.extVar('WIKIHOP_TRAIN'),
  validation_data_path: std.extVar('WIKIHOP_DEV'),
  datasets_for_vocab_creation: ['train'],
  vocabulary: wikihop.vocabulary(vectors_path),
  model: wikihop.model(
    vectors_path,
    50,
    graph_encoder={ type: 'entity_gcn', input_dim: dim, num_layers: 3 },
    query_seq2seq_encoder=null,
    query_encoder={ type: 'lstm', input_size: 50, hidden_size: dim / 2, bidirectional: true },
    query_dim=dim,
    mention_dim=dim,
    node_hidden_dims=[],
    scorer_hidden_dims=[dim],
    context_size=10,
    dropout=0.2,
    mention_dropout=0.5,
  ),
  data_loader: wikihop.data_loader(32),
  validation_data_loader: wikihop.validation_data_loader(32),
  trainer: {
    num_epochs: 20,
    // On few questions less noisy than accuracy.
    validation_metric: '+answer_probability',
    grad_norm: 1.0,
    optimizer: { type: 'adamw', lr: 2e-3, weight_decay: 0.01 },
    moving_average: { type: 'exponential', decay: 0.995 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 200 },
    callbacks: [{ type: 'reliable_training' }],
    checkpointer: { type: 'crash_safe' },
  },
}
