"""The ground floor: sequences, genes and the files they come from.

A *sequence* is residues of one modality, in canonical letters; what was folded to get there is counted.
A *gene* is one locus seen four ways, cut from the letters of its record and never stored twice:

    locus        DNA of the gene's strand, introns included
    transcript   RNA, spliced
    cds          DNA in frame, whole codons from the first to the stop
    protein      residues

The four stand on one axis. The first nucleotide of the coding sequence is 1, what comes before it counts
down (0, -1, ...), a spliced-out letter stands where the last letter before it stands, and a residue stands
at the last nucleotide of its codon. So a codon and its amino acid have the same place in every view.

Annotation is believed only as far as it can be checked. Every annotated protein is derived again from its
coding sequence; it is equal, or different for one of a closed list of reasons (a start codon read as
methionine, selenocysteine, RNA editing, a gene that the record holds in part), each verified by deriving
the protein under that reason; or it is unexplained, and says where. What cannot be used at all leaves the
readers as a `Refusal`, so that records in and records out can be counted.

Example:
    >>> from biolect.bio.coordinates import Span, expand
    >>> from biolect.bio.gene import Contig, Gene
    >>> contig = Contig("chr1", b"CATGGCTGTAAGTTGTTAAG")
    >>> gene = Gene(contig, "toy", (Span(1, 7), Span(13, 19)), (Span(0, 7), Span(13, 20)), annotated_protein="MAC")
    >>> gene.transcript.residues, gene.protein.residues, gene.check().status
    ('CAUGGCUUGUUAAG', 'MAC', 'equal')
    >>> expand(gene.coordinates("transcript")).tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    >>> expand(gene.coordinates("protein")).tolist()
    [3, 6, 9]
"""
