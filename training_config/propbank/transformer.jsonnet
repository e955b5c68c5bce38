// Semantic role labelling on a frozen pretrained transformer, gold syntax. Needs the environment variables of transformer.libsonnet.
(import 'transformer.libsonnet')('gold', 'universal_dependencies')
