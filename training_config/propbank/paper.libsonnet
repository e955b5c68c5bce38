// The models of the paper at their full sizes (Schlichtkrull, De Cao and Titov, 2021, appendix; Marcheggiani and Titov, 2017),
// on CoNLL-2009. CONLL2009_TRAIN and CONLL2009_DEV are files in CoNLL-2009 columns, WORD_VECTORS a text file of word vectors
// and WORD_VECTORS_DIMENSION their dimension.
local srl = import 'srl.libsonnet';
local vectors_path = std.extVar('WORD_VECTORS');
local vectors_dim = std.parseInt(std.extVar('WORD_VECTORS_DIMENSION'));
local scheme = 'conll2008';

{
  // with_lstm: one graph convolution on a four-layer BiLSTM, or two graph convolutions alone.
  model_config(with_lstm):: {
    dataset_reader: srl.reader('predicted', scheme),
    train_data_path: std.extVar('CONLL2009_TRAIN'),
    validation_data_path: std.extVar('CONLL2009_DEV'),
    datasets_for_vocab_creation: ['train'],
    vocabulary: srl.vocabulary(vectors_path),
    model: srl.model(
      scheme,
      graph_encoder={
        type: 'syntactic_gcn', input_dim: 1024, hidden_dim: 1024, num_layers: if with_lstm then 1 else 2,
      },
      seq2seq_encoder=if with_lstm then { type: 'lstm', hidden_size: 512, num_layers: 4, bidirectional: true } else null,
      vectors_path=vectors_path,
      vectors_dim=vectors_dim,
    ),
    data_loader: srl.data_loader(32),
    validation_data_loader: srl.validation_data_loader(32),
    trainer: {
      num_epochs: 20,
      patience: 5,
      validation_metric: '+f1',
      grad_norm: 1.0,
      optimizer: { type: 'adam', lr: 3e-4 },
      callbacks: [{ type: 'reliable_training' }],
      checkpointer: { type: 'crash_safe' },
    },
  },

  // The paper's settings of GraphMask: straight-through gates, a multiplier that cannot fall, dropout in the masked pass.
  graphmask_config(model_config):: {
    local target = std.extVar('GRAPHMASK_TARGET'),
    dataset_reader: model_config.dataset_reader,
    train_data_path: model_config.train_data_path,
    validation_data_path: model_config.validation_data_path,
    vocabulary: srl.graphmask_vocabulary(target),
    model: srl.graphmask(target, {
      focus: 'all',
      divergence: 'prediction_nll',
      gates: 'straight_through',
      penalty_scaling: 1.0,
      allowance: 0.03,
      two_sided: false,
      initial_multiplier: 0.55,
      epochs_per_layer: 3,
      dropout_in_masked_pass: true,
      constraint: 'score',
      score_metric: 'f1',
      constraint_bound: 0.03,
    }),
    data_loader: srl.data_loader(32),
    validation_data_loader: srl.validation_data_loader(32),
    trainer: {
      num_epochs: 3 * model_config.model.graph_encoder.num_layers,
      validation_metric: '-selection',
      optimizer: {
        type: 'multi',
        optimizers: { default: { type: 'adam', lr: 3e-4 }, multiplier: { type: 'rmsprop', lr: 1e-2, centered: true } },
        parameter_groups: [[['(^|\\.)multiplier$'], { optimizer_name: 'multiplier' }]],
      },
      callbacks: [{ type: 'graphmask' }],
      checkpointer: { type: 'crash_safe' },
    },
  },
}
