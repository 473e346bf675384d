"""Tokens: what a model reads. One token is one letter, over all modalities at once.

Nucleotides and amino acids have disjoint ids, so that the letter A of a gene and the A of alanine never
meet; DNA and RNA share theirs, and a tag before each member says which of the two it is. Single letters
keep every variant one token long and every position one residue wide.

Example:
    >>> from biolect.bio.sequence import Modality, Sequence
    >>> from biolect.tokens.vocabulary import Vocabulary
    >>> words = Vocabulary.joint()
    >>> words.encode(Sequence("MKR", Modality.PROTEIN)).tolist()
    [26, 24, 30]
    >>> words.decode(words.encode(Sequence("AUG", Modality.RNA)), Modality.RNA)
    'AUG'
"""
