"""Data: from prepared members on disk to batches, as pure functions of a seed and an index.

    members in stores -> sources -> mixture -> documents -> packed rows -> Batch

What costs time and judgement (reading, checking genes, finding relatives, splitting) happens once, in
`prepare`. What is drawn (pairing, crops, orders, broken partners) happens at loading time and is a function
of (seed, index) alone, so that any item can be made again, by any rank, without reading those before it.
"""
