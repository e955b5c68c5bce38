// The small and the large model. Small trains on two CPU cores in minutes; large has the sizes of the paper and trains on a GPU in
// minutes. Data: PropBank on the English Web Treebank.
local srl = import 'srl.libsonnet';
local data = std.extVar('GRAPHMASK_DATA');
local vectors_path = data + '/vectors/glove.6B.50d.subset.txt.gz';

local sizes = {
  small: { graph_dim: 300, lstm: { hidden_size: 150 }, epochs: 8, learning_rate: 2e-3 },
  large: { graph_dim: 1024, lstm: { hidden_size: 512, num_layers: 4 }, epochs: 10, learning_rate: 1e-3 },
};

// with_lstm: one graph convolution on a BiLSTM, or two graph convolutions alone.
function(syntax, dependency_scheme, with_lstm=true, size='small') {
  local settings = sizes[size],
  dataset_reader: srl.reader(syntax, dependency_scheme),
  train_data_path: data + '/propbank_ewt/ewt_train.conll09.xz',
  validation_data_path: data + '/propbank_ewt/ewt_dev.conll09.xz',
  datasets_for_vocab_creation: ['train'],
  vocabulary: srl.vocabulary(vectors_path),
  model: srl.model(
    dependency_scheme,
    graph_encoder={
      type: 'syntactic_gcn',
      input_dim: settings.graph_dim,
      hidden_dim: settings.graph_dim,
      num_layers: if with_lstm then 1 else 2,
    },
    seq2seq_encoder=if with_lstm then settings.lstm { type: 'lstm', bidirectional: true } else null,
    vectors_path=vectors_path,
    vectors_dim=50,
    dropout=0.3,
  ),
  data_loader: srl.data_loader(64),
  validation_data_loader: srl.validation_data_loader(64),
  trainer: {
    num_epochs: settings.epochs,
    validation_metric: '+f1',
    grad_norm: 1.0,
    optimizer: { type: 'adamw', lr: settings.learning_rate, weight_decay: 0.01 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 100 },
    callbacks: [{ type: 'reliable_training' }],
    checkpointer: { type: 'crash_safe' },
  },
}
