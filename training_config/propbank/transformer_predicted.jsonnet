// Semantic role labelling on a frozen pretrained transformer, predicted syntax. Needs the environment variables of transformer.libsonnet.
(import 'transformer.libsonnet')('predicted', 'clearnlp')
