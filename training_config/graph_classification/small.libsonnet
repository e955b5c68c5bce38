// Parts shared by the configs for graphs over text in the format of docs/graph_jsonl.md.
{
  // What is classified, "graph" or "nodes", and so what the labels in the files are of.
  classify:: 'graph',

  dataset_reader: {
    type: 'graph_jsonl',
    classify: $.classify,
    require_labels: true,
    inverse_edges: true,
  },
  // What is predicted or explained need not have labels.
  validation_dataset_reader: self.dataset_reader { require_labels: false },
  train_data_path: std.extVar('GRAPH_TRAIN'),
  validation_data_path: std.extVar('GRAPH_DEV'),
}
