// Multi-hop question answering, the paper's model. Needs WIKIHOP_TRAIN, WIKIHOP_DEV, WORD_VECTORS and WORD_VECTORS_DIMENSION.
import 'paper.libsonnet'
