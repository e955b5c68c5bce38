// The small model: trains on two CPU cores in minutes. Data: PropBank on the English Web Treebank.
local srl = import 'srl.libsonnet';
local data = std.extVar('GRAPHMASK_DATA');
local vectors_path = data + '/vectors/glove.6B.50d.subset.txt.gz';

// with_lstm: one graph convolution on a BiLSTM, or two graph convolutions alone.
function(syntax, dependency_scheme, with_lstm=true) {
  dataset_reader: srl.reader(syntax, dependency_scheme),
  train_data_path: data + '/propbank_ewt/ewt_train.conll09.xz',
  validation_data_path: data + '/propbank_ewt/ewt_dev.conll09.xz',
  datasets_for_vocab_creation: ['train'],
  vocabulary: srl.vocabulary(vectors_path),
  model: srl.model(
    dependency_scheme,
    graph_encoder={
      type: 'syntactic_gcn', input_dim: 300, hidden_dim: 300, num_layers: if with_lstm then 1 else 2,
    },
    seq2seq_encoder=if with_lstm then { type: 'lstm', hidden_size: 150, bidirectional: true } else null,
    vectors_path=vectors_path,
    vectors_dim=50,
    dropout=0.3,
  ),
  data_loader: srl.data_loader(64),
  validation_data_loader: srl.validation_data_loader(64),
  trainer: {
    num_epochs: 8,
    validation_metric: '+f1',
    grad_norm: 1.0,
    optimizer: { type: 'adamw', lr: 2e-3, weight_decay: 0.01 },
    learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 100 },
    callbacks: [{ type: 'reliable_training' }],
    checkpointer: { type: 'crash_safe' },
  },
}
