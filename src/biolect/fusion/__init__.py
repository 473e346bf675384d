"""Fusion: what several encoders say about one coding sequence becomes one prediction.

Encoders count different things: a DNA model six nucleotides, an RNA model one, a protein model one
residue. All are brought to the codon axis first (`align`): a codon-by-token matrix per sequence and
encoder, built from the spans of the tokens, so that special tokens, unknown letters and left-over
nucleotides cannot shift one encoder against another. Then they are combined position by position
(`fusers`), or not at all: `late` averages the predictions of single encoders, which is what every learned
fusion must beat. `heads` turn combined codons into classes or numbers.

Example:
    grid = codon_grid(Sequence("AUGGCCAAAUAA", Modality.RNA))
    weights = codon_weights(grid, spans, "coverage")  # spans: one row per token, 0-based, half-open
    codons = weights @ vectors  # one row per codon: M, A, K
"""
