// Multi-hop question answering, the model of the paper's size, trained as small.jsonnet is. Needs the environment variables of
// paper.jsonnet, and a GPU to train in minutes.
local small = import 'small.libsonnet';

(import 'paper.libsonnet') {
  trainer: small.trainer { num_epochs: 25, optimizer+: { lr: 5e-4 } },
}
