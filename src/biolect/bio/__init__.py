"""Biology: sequences, genes and variants as values, without a tensor in sight.

A gene is one locus that shows in several ways: DNA with introns, transcript, coding sequence, protein.
The views are not stored beside each other but derived from one annotation and checked against it, so that
they cannot disagree unseen. Between them stand coordinate maps: integers only, exact, invertible.

Letters become small integers only inside an alphabet; what is read is canonical, what was folded to get
there is counted, and what cannot be read is refused with its place.

Example:
    >>> from biolect.bio.genetic_code import GeneticCode
    >>> from biolect.bio.sequence import Modality, Sequence
    >>> coding = Sequence("ATGAAACGCTAA", Modality.DNA, name="thrL")
    >>> str(coding.transcribe()), GeneticCode.by_id(11).translate(str(coding))
    ('AUGAAACGCUAA', 'MKR*')
"""
