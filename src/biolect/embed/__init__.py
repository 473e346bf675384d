"""Embeddings: sequences as vectors with a declared axis.

An `Encoder` makes one vector per nucleotide, codon or residue, or one per sequence; which of these is
said by its `axis`, so that vectors of different encoders can be brought together without guessing. What
stands behind all of them are the vectors of the tokens that a model reads, each with the residues that it
covers: `Encoder.tokens`. Our own models, published ones (ESM-2, RNA-FM, Nucleotide Transformer, anything of
transformers) and features without weights come through one door, `load_encoder`.
`EmbeddingStore` keeps them on disk under the digests of encoder and sequence: nothing is computed twice,
and a run that broke off goes on where it was.

    encoder = load_encoder("esm2:esm2_t6_8M_UR50D.pt", Choice(axis="residue"))
    for embedding in encoder.encode(sequences):
        print(embedding.name, embedding.vectors.shape)
"""
