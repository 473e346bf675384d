"""Asking a language model: how likely is this, what does a change do, what comes next.

A `Reader` is a model together with the grammar that its documents are written in. A `Prompt` is what
stands before a question; it is read once, whatever number of questions follow.

    reader = Reader.load("runs/mixed")
    queries = [Query(s.name, reader.member(s)) for s in sequences]
    for scored in score(reader, queries):
        print(scored.name, scored.log_likelihood)          # nats, residues only

`score_variants` compares variants with their reference, `generate` draws new sequences.
"""
