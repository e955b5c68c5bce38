// Parts shared by the configs for star graphs, which need no data: docs/star_graphs.md.
{
  // The data are the same whatever the seed of training.
  data(variant, sizes={}):: {
    dataset_reader: { type: 'star_graphs', variant: variant } + sizes,
    train_data_path: 'train',
    validation_data_path: 'dev',
  },

  // Sums of messages, not means: the encoder has to count.
  model(num_layers):: {
    type: 'star_graph_classifier',
    graph_encoder: {
      type: 'rgcn',
      input_dim: 12,
      hidden_dim: 100,
      num_layers: num_layers,
      normalise: false,
      // Estimated by the number of edges the matrix products would be cheaper, but these graphs are tiny.
      aggregation: 'edge_list',
    },
  },

  data_loader(batch_size):: { batch_size: batch_size, shuffle: true },
  validation_data_loader:: { batch_size: 500, shuffle: false },

  // While all gates are open (or all shut) gradients are tiny, and Adam, which divides by their recent size, answers the first
  // larger one with a step that shuts (or opens) all of them at once, for good: saturated gates have no gradient that leads back.
  // Clipped gradients are never so different.
  grad_norm:: 0.1,

  graphmask(settings):: {
    local target = std.extVar('GRAPHMASK_TARGET'),
    vocabulary: { type: 'from_files', directory: target },
    model: {
      type: 'graphmask',
      target: { type: 'from_archive', archive_file: target },
    } + settings,
  },

  // The threshold keeps the fewest messages with which no prediction changes on the development graphs.
  all_budgets(variant, num_epochs):: self.data(variant) + self.graphmask({
    masker: {
      type: 'edgewise',
      hidden_dim: 256,
      num_hidden_layers: 2,
      location_bias: 0.0,
      features: ['relation', 'size', 'gradient'],
    },
    objective: { type: 'all_budgets' },
  }) {
    data_loader: $.data_loader(32),
    validation_data_loader: $.validation_data_loader,
    trainer: {
      num_epochs: num_epochs,
      validation_metric: '-selection',
      grad_norm: $.grad_norm,
      optimizer: { type: 'adam', lr: 1e-3 },
      learning_rate_scheduler: { type: 'linear_with_warmup', warmup_steps: 50 },
      callbacks: [{ type: 'graphmask', max_changed: 0.0 }],
      checkpointer: { type: 'crash_safe' },
    },
  },
}
