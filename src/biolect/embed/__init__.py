"""Embeddings: sequences as vectors with a declared axis.

An `Encoder` makes one vector per nucleotide, codon or residue, or one per sequence; which of these is
said by its `axis`, so that vectors of different encoders can be brought together without guessing.
`EmbeddingStore` keeps them on disk under the digests of encoder and sequence: nothing is computed twice,
and a run that broke off goes on where it was.

    encoder = NativeEncoder(model, axis="sequence")
    for embedding in encoder.encode(sequences):
        print(embedding.name, embedding.vectors.shape)
"""
