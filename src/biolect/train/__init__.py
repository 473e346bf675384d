"""Training: a run config in, a run folder out.

A `RunConfig` is a curriculum of phases over corpora. `pretrain` runs it: a loader turns one integer into a
batch, one loop learns from it, and a checkpoint holds all that is needed to go on bit for bit.
"""
