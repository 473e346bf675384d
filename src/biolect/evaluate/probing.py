"""Tasks for frozen embeddings: what a linear reading of a model knows of labels, beside what letters and fingerprints give away.

Every record is predicted by a model that saw neither it nor its relatives: folds are whole clusters, and molecules of one
scaffold stay together. Beside the model stands its own beginning, the same network with weights that were drawn and not trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from biolect.bio import chemistry
from biolect.bio.genetic_code import GeneticCode
from biolect.bio.io import Refusal
from biolect.bio.io.tables import read_sequences, read_table
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.data.labelled import clusters_of
from biolect.data.targets import Columns, read_targets
from biolect.embed.encoder import Choice
from biolect.embed.native import NativeEncoder
from biolect.errors import InputError
from biolect.evaluate.composition import Baselines, coded, composition, grouped_folds, judge, ridge, standardised
from biolect.evaluate.judging import Outcome
from biolect.evaluate.molecules import BITS
from biolect.evaluate.question import Question
from biolect.files import open_input
from biolect.fusion.late import out_of_fold
from biolect.values import Axis, Floats, Ints

FOLDS, LONGEST = 5, 999
_LEAST = 2 * FOLDS
"""Records of a class with fewer are left out."""
_MORE = 5
_PIECES, _SHUFFLED = 20, 12


STRUCTURES = "protein_corpus/secondary_structure_8class.csv.gz"
STATES = {"H": 0, "G": 0, "I": 0, "E": 1, "B": 1}
"""Letters of DSSP that are helix or strand; all others are neither."""
_CHAIN, _SIDE, _NEITHER = 400, 7, 2
_PENALTY = 100.0
"""With thousands of residues for a few hundred features, any from 1 to 1,000 does."""


class Source(NamedTuple):
    """A labelled set in its published form.

    Attributes:
        file: FASTA with the label first in the header or behind the id; a table; or sequences, one a line, that are all of a kind.
        label: Column of a table.
        sequence: Likewise.
    """

    file: str
    modality: Modality
    label: str = ""
    sequence: str = ""
    is_number: bool = False


SOURCES = {
    "localisation": Source("protein_corpus/subcellular_location_new_hard_set.faa.gz", Modality.PROTEIN),
    "stability": Source("protein_fitness/mavenn/nisthal_data.csv.gz", Modality.PROTEIN, "y", "x", is_number=True),
    "promoters": Source("dna_tasks/epd_tata_promoters_human.txt.gz", Modality.DNA),
    "rna-family": Source("rna/nrc_ncrna_13class_train.fa.gz", Modality.RNA),
    "codon-species": Source("mrna/cds_species_7class.csv.gz", Modality.DNA, "species", "cds"),
    "esol": Source("smiles/molnet/esol.csv.gz", Modality.MOLECULE, "measured log solubility in mols per litre", "smiles", is_number=True),
    "bbbp": Source("smiles/molnet/bbbp.csv.gz", Modality.MOLECULE, "p_np", "smiles"),
}

SUMMARY = (
    "labels read linearly off frozen embeddings, folds of whole clusters; against composition, letters or fingerprints, and no training"
)


def probe(source: Source, question: Question) -> Outcome:
    """Predict the labels of a set by linear models of frozen embeddings, five folds of whole clusters."""
    path = question.file(source.file)
    found = list(_labelled(source, path, question))
    common = Counter(label for _, label, _ in found)
    kept = [one for one in found if source.is_number or common[one[1]] >= _LEAST]
    if len(kept) < _LEAST:
        raise InputError(f"'{path}' has {len(kept)} labelled records that can be used; at least {_LEAST} are needed, of every class.")
    kept = [kept[i] for i in sorted(question.drawn(len(kept), _MORE * question.config.items))]
    records = [one for one, _, _ in kept]
    columns = Columns(target=source.label or "label", kind="regression" if source.is_number else "classification")
    targets, labels = read_targets(path, columns, [label for _, label, _ in kept], range(len(kept)), is_number=source.is_number)
    groups = _groups(records, [group for _, _, group in kept])
    if len(np.unique(groups)) < FOLDS:
        raise InputError(f"'{path}' has {len(np.unique(groups))} clusters of relatives; {FOLDS} folds need as many. Give more records.")
    folds = grouped_folds(groups, FOLDS, question.config.seed)
    outcome = Outcome("accuracy" if labels else "spearman", [question.panel("", "accuracy" if labels else "spearman", groups)])

    def add(name: str, said: Floats) -> None:
        outcome.panels[0].add(name, "model" if name == "model" else "baseline", lambda items: judge(targets[items], said[items]))

    for name, vectors in embeddings(question, records).items():
        own = np.concatenate(vectors)
        add(name, out_of_fold(lambda seen, asked, own=own: ridge(own, targets, seen, len(labels))[asked], folds))
    if labels:
        codes = coded(targets, len(labels))
        add("most frequent class", out_of_fold(lambda seen, asked: np.tile(codes[seen].mean(axis=0), (len(asked), 1)), folds))
    plain = features(records, in_frame=source.sequence == "cds")
    models = Baselines(plain, targets, len(labels), question.config.seed)
    said = out_of_fold(lambda seen, asked: models.predict(seen, asked, question.advance), folds)
    for arm, name in enumerate(models.names):
        add(name.replace("_", ", "), said[:, arm])
    outcome.facts = {"classes": list(labels), "left_out": {label: n for label, n in common.items() if not source.is_number and n < _LEAST}}
    return outcome


def _labelled(source: Source, path: str, question: Question) -> Iterator[tuple[Record, str, str]]:
    """Yield record, label, and what makes records relatives whatever their letters; those that cannot be read are noted."""
    if source.label:
        labels = read_table(path, [source.label, source.sequence])[source.label].to_list()
        for one, label in zip(read_sequences(path, source.modality, column=source.sequence), labels, strict=True):
            if isinstance(one, Refusal):
                question.refused.append(one)
            elif label is not None:
                yield cut(one), str(label), ""
    elif ".txt" in Path(path).name:
        rng = question.generator(2)
        with open_input(path) as stream:
            lines = [line.decode().strip() for line in stream if line.strip()]
        for number, line in enumerate(lines, start=1):
            record = Record.read(line, source.modality, name=str(number), unknown="mask")
            pieces = np.array_split(np.arange(len(record)), _PIECES)
            moved = rng.permutation(_PIECES)[:_SHUFFLED]
            order = np.arange(_PIECES)
            order[moved] = rng.permutation(moved)
            text = "".join(record.residues[i] for k in order for i in pieces[k])
            yield from ((record, "promoter", record.name), (Record(text, source.modality, record.name), "shuffled", record.name))
    else:
        for record in question.records(path, source.modality):
            yield cut(record), (record.description.split() or [record.name])[0], ""


def cut(record: Record) -> Record:
    """Return a record's beginning; of molecules all."""
    if record.modality is Modality.MOLECULE or len(record) <= LONGEST:
        return record
    return Record(record.residues[:LONGEST], record.modality, record.name)


def _groups(records: Sequence[Record], given: Sequence[str]) -> Ints:
    """Return clusters of relatives: as given, by scaffold, by shared words; of variants of one sequence, by the first changed place."""
    if any(given):
        return np.unique(given, return_inverse=True)[1]
    if records[0].modality is Modality.MOLECULE:
        chemistry.need("Scaffolds")
        parsed = {one.residues: chemistry.parse(one.residues).molecule for one in records}
        known = {text: found and chemistry.scaffold(found) for text, found in parsed.items()}
        scaffolds = [known[one.residues] or one.residues for one in records]
        return np.unique(scaffolds, return_inverse=True)[1]
    clusters = clusters_of(records).astype(np.int64)
    if np.bincount(clusters).max() > len(records) / 2 and len({len(one) for one in records}) == 1:
        letters = np.stack([one.codes for one in records])
        usual = np.array([np.bincount(column).argmax() for column in letters.T])
        clusters = (letters != usual).argmax(axis=1)
    return clusters


def embeddings(question: Question, records: Sequence[Record], axis: Axis = "sequence") -> dict[str, list[Floats]]:
    """Return the hidden states of every record, places of the axis by width, of the model and of its own beginning."""
    reader = question.reader
    untrained = reader.model.config.build(question.config.seed).eval().to(reader.model.device)
    choice, found = Choice(axis=axis, batch_tokens=reader.batch_tokens), dict[str, list[Floats]]()
    for name, model in (("model", reader.model), ("untrained model", untrained)):
        encoder = NativeEncoder(model, choice, grammar=reader.grammar, context_tokens=reader.context_tokens)
        for start in range(0, len(records), 64):
            some = records[start : start + 64]
            found.setdefault(name, []).extend(np.asarray(one.vectors, dtype=np.float64) for one in encoder.encode(some))
            question.advance(len(some))
    return found


def features(records: Sequence[Record], *, in_frame: bool = False) -> dict[str, Floats]:
    """Return what is known of records without a model: composition, letters by place where all are of a length, fingerprints."""
    if records[0].modality is Modality.MOLECULE:
        parsed = [chemistry.parse(one.residues).molecule for one in records]
        bits = [np.zeros(BITS) if one is None else np.array(list(chemistry.fingerprint(one, BITS)), dtype=np.float64) for one in parsed]
        symbols = sorted({letter for one in records for letter in one.residues})
        shares = [[one.residues.count(letter) / len(one) for letter in symbols] + [np.log10(len(one))] for one in records]
        return {"composition": np.array(shares), "fingerprint": np.stack(bits)}
    texts = [GeneticCode.by_id(1).translate(one.residues[: len(one) // 3 * 3]) for one in records if in_frame]
    proteins = [Record(text.replace("*", "X"), Modality.PROTEIN) for text in texts]
    found = {"composition": composition(records, proteins)["everything"]}
    if len({len(one) for one in records}) == 1:
        size = len(records[0].modality.alphabet)
        found["letters by place"] = np.stack([np.eye(size)[one.codes].ravel() for one in records])
    return found


def secondary_structure(question: Question) -> Outcome:
    """Predict three states of every residue, five folds of whole clusters of chains; chains of at most 400 residues."""
    from sklearn.dummy import DummyRegressor
    from sklearn.linear_model import Ridge

    path = question.file(STRUCTURES)
    frame = read_table(path, ["Sequence", "Secondary_structure"])
    rows = [(str(a), str(b)) for a, b in zip(frame["Sequence"], frame["Secondary_structure"], strict=True)]
    if (odd := next((i for i, (a, b) in enumerate(rows) if len(a) != len(b)), None)) is not None:
        raise InputError(f"'{path}', row {odd + 1}, has {len(rows[odd][0])} residues and {len(rows[odd][1])} states. Mend it.")
    rows = [row for row in rows if len(row[0]) <= _CHAIN]
    chosen = [rows[i] for i in question.drawn(len(rows))]
    chains = [Record.read(letters, Modality.PROTEIN, unknown="mask") for letters, _ in chosen]
    states = [np.array([STATES.get(letter, _NEITHER) for letter in text]) for _, text in chosen]
    clusters = clusters_of(chains) if chains else np.zeros(0, dtype=np.int32)
    if len(np.unique(clusters)) < FOLDS or len(np.unique(np.concatenate(states))) < 2:
        raise InputError(f"'{path}' has too few chains that differ in sequence and structure for {FOLDS} folds. Add more.")
    panel = question.panel("", "accuracy", clusters)
    ways: dict[str, Sequence[Floats]] = {
        **embeddings(question, chains, "residue"),
        "the letter itself": [around(one, 0, 0) for one in chains],
        "letters on the left": [around(one, 2 * _SIDE, 0) for one in chains],
        "letters on both sides": [around(one, _SIDE, _SIDE) for one in chains],
    }
    lengths, truth = [len(one) for one in chains], np.concatenate(states)
    folds, wanted = np.repeat(grouped_folds(clusters, FOLDS, question.config.seed), lengths), np.eye(3)[truth]

    def add(name: str, model: Any, values: Floats) -> None:
        said = out_of_fold(lambda seen, asked: model.fit(values[seen], wanted[seen]).predict(values[asked]), folds)
        right = np.split(said.argmax(axis=1) == truth, np.cumsum(lengths)[:-1])
        panel.add_ratio(name, "model" if name == "model" else "baseline", [one.sum() for one in right], lengths)

    for name, values in ways.items():
        add(name, standardised(Ridge(_PENALTY)), np.concatenate(values))
    add("most frequent state", DummyRegressor(), np.zeros((len(truth), 1)))
    return Outcome("accuracy", [panel], facts={"residues": sum(lengths)})


def around(chain: Record, before: int, after: int) -> Floats:
    """Return the letters around every residue, one-hot; nothing where there is none. Residues by features."""
    one_hot = np.pad(np.eye(len(chain.modality.alphabet))[chain.codes], ((before, after), (0, 0)))
    return np.concatenate([one_hot[i : i + len(chain)] for i in range(before + after + 1)], axis=1)
