// The model of the paper at its full size (Schlichtkrull, De Cao and Titov, 2021, appendix; De Cao, Aziz and Titov, 2019).
// WIKIHOP_TRAIN and WIKIHOP_DEV are the official files, WORD_VECTORS is a text file of word vectors and
// WORD_VECTORS_DIMENSION their dimension.
local wikihop = import 'wikihop.libsonnet';
local vectors_path = std.extVar('WORD_VECTORS');
local vectors_dim = std.parseInt(std.extVar('WORD_VECTORS_DIMENSION'));

{
  dataset_reader: wikihop.reader(),
  train_data_path: std.extVar('WIKIHOP_TRAIN'),
  validation_data_path: std.extVar('WIKIHOP_DEV'),
  datasets_for_vocab_creation: ['train'],
  vocabulary: wikihop.vocabulary(vectors_path),
  model: wikihop.model(
    vectors_path,
    vectors_dim,
    graph_encoder={ type: 'entity_gcn', input_dim: 512, num_layers: 3, share_weights: true },
    query_seq2seq_encoder={ type: 'lstm', input_size: vectors_dim, hidden_size: 256, bidirectional: true },
    query_encoder={ type: 'lstm', input_size: 512, hidden_size: 128, bidirectional: true },
    query_dim=256,
    mention_dim=256,
    node_hidden_dims=[1024],
    scorer_hidden_dims=[256, 128],
    use_subject_feature=false,
    dropout=0.2,
  ),
  data_loader: wikihop.data_loader(32),
  validation_data_loader: wikihop.validation_data_loader(32),
  trainer: {
    num_epochs: 20,
    patience: 5,
    validation_metric: '+accuracy',
    optimizer: { type: 'adam', lr: 1e-4 },
    callbacks: [{ type: 'reliable_training' }],
    checkpointer: { type: 'crash_safe' },
  },
}
