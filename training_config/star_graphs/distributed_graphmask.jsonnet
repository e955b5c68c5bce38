// demo_graphmask.jsonnet trained by two processes. GRAPHMASK_TARGET is an archive of a model, whatever trained it.
(import 'demo_graphmask.jsonnet') {
  distributed: { cuda_devices: [-1, -1] },
  data_loader+: { batch_size: 16 },
  // The callback does what `distributed` does, and the processes choose the threshold together.
  trainer+: { callbacks: [{ type: 'graphmask', max_changed: 0.1 }] },
}
