// Multi-hop question answering, small model. Needs GRAPHMASK_DATA, WIKIHOP_TRAIN and WIKIHOP_DEV.
import 'small.libsonnet'
