// GraphMask with the paper's settings on paper_lstm_gcn.jsonnet, whose archive is GRAPHMASK_TARGET. See paper.libsonnet for the other
// environment variables.
(import 'paper.libsonnet').graphmask_config(import 'paper_lstm_gcn.jsonnet')
