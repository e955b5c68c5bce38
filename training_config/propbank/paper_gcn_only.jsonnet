// See paper.libsonnet for the environment variables.
(import 'paper.libsonnet').model_config(false)
