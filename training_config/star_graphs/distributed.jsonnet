// demo.jsonnet trained by two processes, here without GPUs: docs/distributed.md.
(import 'demo.jsonnet') {
  distributed: { cuda_devices: [-1, -1] },
  // Each process takes its own batches: two of 16 for one of 32.
  data_loader+: { batch_size: 16 },
  trainer+: { callbacks: [{ type: 'distributed' }] },
}
