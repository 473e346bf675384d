"""Annotation small enough to be checked by eye, written out as the text of a file."""

from __future__ import annotations

import io

from biolect.bio.gene import Gene
from biolect.bio.io.form import Refusal
from biolect.bio.io.genbank import read_genbank


def feature(kind: str, location: str, **says: object) -> str:
    lines = [f"     {kind:<16}{location}"]
    for key, value in says.items():
        lines.append(
            f"{'':21}/{key}" if value is True else f"{'':21}/{key}={value}" if isinstance(value, int) else f'{"":21}/{key}="{value}"'
        )
    return "\n".join(lines)


def flat_file(letters: str, *features: str, circular: bool = False, molecule: str = "DNA", name: str = "TOY1") -> bytes:
    head = f"LOCUS       {name:<16}{len(letters):>12} bp    {molecule:<7} {'circular' if circular else 'linear':<8} BCT 01-JAN-2000"
    origin = [f"{i + 1:>9} " + " ".join(letters[i : i + 60][j : j + 10] for j in range(0, 60, 10)) for i in range(0, len(letters), 60)]
    body = ["FEATURES             Location/Qualifiers", f"     source          1..{len(letters)}", *features, "ORIGIN", *origin, "//", ""]
    return "\n".join([head, "DEFINITION  Toy.", f"ACCESSION   {name}", f"VERSION     {name}.1", *body]).encode()


def read(text: bytes) -> list[object]:
    return list(read_genbank(io.BytesIO(text)))


def genes(letters: str, *features: str, **options: object) -> list[Gene]:
    return [item for item in read(flat_file(letters, *features, **options)) if isinstance(item, Gene)]  # pyright: ignore


def gene(letters: str, *features: str, **options: object) -> Gene:
    (only,) = genes(letters, *features, **options)
    return only


def refusals(text: bytes) -> list[Refusal]:
    return [item for item in read(text) if isinstance(item, Refusal)]
