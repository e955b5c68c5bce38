// Classification of graphs over text. GRAPH_TRAIN and GRAPH_DEV are files as docs/graph_jsonl.md describes them, of which the
// second chooses the epoch. `syntactic_gcn` takes the same arguments as `rgcn` here.
local data = import 'small.libsonnet';
local dim = 32;

data {
  datasets_for_vocab_creation: ['train'],
  model: {
    type: 'graph_classifier',
    classify: data.classify,
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: dim } } },
    graph_encoder: { type: 'rgcn', input_dim: dim, hidden_dim: dim, num_layers: 2 },
    pooling: 'max',
    dropout: 0.1,
  },
  data_loader: { batch_size: 16, shuffle: true },
  validation_data_loader: { batch_size: 64, shuffle: false },
  trainer: {
    num_epochs: 30,
    validation_metric: '-loss',
    optimizer: { type: 'adam', lr: 5e-3 },
    callbacks: [{ type: 'reliable_training' }],
    checkpointer: { type: 'crash_safe' },
  },
}
