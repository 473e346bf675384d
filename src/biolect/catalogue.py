"""Public data by name: which files, from where, under which licence, known by which digest.

A name is one of `NAMED`, one of `WEIGHTS` (published models for `biolect embed`), an accession of RefSeq or GenBank (one
flat file), or an assembly, by accession or by its own name (the files of its folder, checked against the published digests).
"""

from __future__ import annotations

import difflib
import json
import re
import tempfile
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from biolect.errors import ConfigError, DownloadError, InputError
from biolect.files import download

LICENCE = "public domain as far as NCBI is concerned (no restrictions on use; submitters may hold rights of their own)"
PARTS = ("genomic.gbff.gz", "genomic.fna.gz", "genomic.gff.gz", "protein.faa.gz")
"""Files of an assembly folder that are of use here, by the end of their names."""

_PROTEIN = re.compile(r"(?:[ANWXYZ]P_\d{6,9}|[A-Z]{3}\d{5}(?:\d\d)?)(?:\.\d+)?")
_NUCLEOTIDE = re.compile(
    r"(?:(?:A|N)C_[A-Z0-9]+|(?:NG|NM|NR|NT|NW|NZ|XM|XR)_[A-Z0-9]+|[A-Z]\d{5}|[A-Z]{2}\d{6,8}|[A-Z]{4,6}\d{8,10})(?:\.\d+)?"
)
_ASSEMBLY = re.compile(r"(GC[AF])_(\d{3})(\d{3})(\d{3})(?:\.\d+)?(?:_\S+)?")


@dataclass(frozen=True)
class Named:
    """A set of public data with a name of its own."""

    accession: str
    about: str


@dataclass(frozen=True)
class Weights:
    """Weights of a published model.

    Attributes:
        address: What stands before the name of every file.
        reads: How `biolect embed` calls what was fetched.
    """

    address: str
    files: list[str]
    licence: str
    reads: str


_TABLES: dict[str, dict[str, Any]] = yaml.safe_load((resources.files("biolect") / "assets" / "catalogue.yaml").read_text(encoding="utf-8"))
NAMED = {name: Named(**it) for name, it in _TABLES["data"].items()}
WEIGHTS = {name: Weights(**it) for name, it in _TABLES["weights"].items()}


@dataclass(frozen=True)
class Servers:
    """Base addresses; another `base` than NCBI's has both services below it."""

    entrez: str = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils"
    genomes: str = "https://ftp.ncbi.nlm.nih.gov/genomes/all"

    @classmethod
    def at(cls, base: str) -> Servers:
        """Return the servers of a mirror. Raises ConfigError if its address is neither http nor https."""
        if not base.startswith(("http://", "https://")):
            raise ConfigError(f"The address of a mirror begins with http:// or https://, not '{base}'.")
        base = base.rstrip("/")
        return cls(f"{base}/entrez/eutils", f"{base}/genomes/all")


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch; the digest is None where none is published."""

    name: str
    address: str
    md5: str | None = None


@dataclass(frozen=True)
class Plan:
    """What a name stands for, before anything of it is fetched."""

    name: str
    files: tuple[RemoteFile, ...]
    licence: str = LICENCE


@dataclass(frozen=True)
class Fetcher:
    """Finds and fetches public data.

    Attributes:
        retries: Attempts after the first one that may fail in a row.
        pause_seconds: Before the first retry; doubled for each further one.
    """

    servers: Servers = field(default_factory=Servers)
    retries: int = 5
    pause_seconds: float = 1.0
    shows_progress: bool = True

    def plan(self, name: str, parts: tuple[str, ...] = PARTS) -> Plan:
        """Return the files that a name stands for; asks the server about assemblies only.

        Args:
            parts: Ends of file names; of an assembly only these are taken.

        Raises:
            InputError: If the name is none that is known.
            DownloadError: If the server cannot be asked.
        """
        if name in WEIGHTS:
            files = tuple(RemoteFile(file, WEIGHTS[name].address + file) for file in WEIGHTS[name].files)
            return Plan(name, files, f"weights for -m {WEIGHTS[name].reads}, under {WEIGHTS[name].licence}")
        accession = NAMED[name].accession if name in NAMED else name
        if found := _ASSEMBLY.fullmatch(accession):
            return self._assembly(name, found, parts)
        for rule, database, kind, ending in ((_NUCLEOTIDE, "nuccore", "gbwithparts", "gb"), (_PROTEIN, "protein", "gp", "gp")):
            if rule.fullmatch(accession):
                query = f"db={database}&id={accession}&rettype={kind}&retmode=text"
                return Plan(name, (RemoteFile(f"{accession}.{ending}", f"{self.servers.entrez}/efetch.fcgi?{query}"),))
        if close := difflib.get_close_matches(name, [*NAMED, *WEIGHTS], n=1, cutoff=0.8):
            raise InputError(f"There is no public data named '{name}'. Did you mean '{close[0]}'?")
        return self._assembly(name, self._accession_of(name), parts)

    def fetch(self, plan: Plan, folder: str | Path) -> dict[str, str]:
        """Fetch the files of a plan and return their sha256 by name; what is there whole already is kept.

        Raises:
            DownloadError: If a transfer fails, or what arrives is not what was announced.
            InputError: If the folder cannot be written.
        """
        digests = {}
        for file in plan.files:
            path = Path(folder) / file.name
            was_there = path.exists()
            digests[file.name] = self._download(file.address, path, file.md5)
            if path.suffix in (".gb", ".gp"):
                _check_flat_file(path, file, was_there=was_there)
        return digests

    def _download(self, address: str, path: Path, md5: str | None = None, *, quietly: bool = False) -> str:
        shows_progress = self.shows_progress and not quietly
        return download(address, path, md5, retries=self.retries, pause_seconds=self.pause_seconds, shows_progress=shows_progress)

    def _text(self, address: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "answer"
            self._download(address, path, quietly=True)
            return path.read_text(encoding="utf-8", errors="replace")

    def _assembly(self, name: str, found: re.Match[str], parts: tuple[str, ...]) -> Plan:
        """List the folder of an assembly; without a version the newest is taken."""
        accession = found[0]
        above = "/".join((self.servers.genomes, *found.groups()))
        folders = set(re.findall(r'href="(?:[^"]*/)?(GC[AF]_\d{9}\.\d+_[^"/]+)/?"', self._text(f"{above}/")))
        fitting = sorted((f for f in folders if f == accession or f.startswith((accession + ".", accession + "_"))), key=_version)
        if not fitting:
            raise DownloadError(f"Assembly '{accession}' is not at {above}/. Check the accession and its version.")
        folder = fitting[-1]
        digests = _read_md5(self._text(f"{above}/{folder}/md5checksums.txt"))
        names = [f"{folder}_{part}" for part in parts if f"{folder}_{part}" in digests]
        if not names:
            raise DownloadError(f"Assembly '{folder}' has none of the files {', '.join(parts)}. Ask for others.")
        return Plan(name, tuple(RemoteFile(file, f"{above}/{folder}/{quote(file)}", digests[file]) for file in names))

    def _accession_of(self, name: str) -> re.Match[str]:
        """Ask for the accession of an assembly that is known by its own name, such as R64 or GRCh38.p14."""
        found = self._json(f"esearch.fcgi?db=assembly&term={quote(name)}[Assembly+Name]&retmode=json")
        ids = found.get("esearchresult", {}).get("idlist", [])
        if not ids:
            raise InputError(f"There is no public data named '{name}'. Give an accession, or a name that `biolect data list` shows.")
        summary = self._json(f"esummary.fcgi?db=assembly&id={','.join(ids)}&retmode=json").get("result", {})
        known = sorted({summary[key]["assemblyaccession"] for key in ids if key in summary})
        found = _ASSEMBLY.fullmatch(known[0]) if len(known) == 1 else None
        if found is None:
            raise InputError(f"'{name}' names {len(known)} assemblies: {', '.join(known)}. Give the accession.")
        return found

    def _json(self, question: str) -> dict[str, Any]:
        text = self._text(f"{self.servers.entrez}/{question}")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise DownloadError(f"{self.servers.entrez} answers with something else than JSON: {text[:60]!r}. Try again later.") from None


def _version(folder: str) -> int:
    return int(folder.split("_")[1].partition(".")[2])


def _read_md5(text: str) -> dict[str, str]:
    rows = (line.split(None, 1) for line in text.splitlines() if line.strip())
    return {name.strip().removeprefix("./"): digest for digest, name in rows}


def _check_flat_file(path: Path, file: RemoteFile, *, was_there: bool) -> None:
    """Refuse an error page, or a record that stops short, which the service sends as if all were well."""
    text = path.read_bytes().strip()
    if not text.startswith(b"LOCUS") or not text.endswith(b"//"):
        first = text[:60].decode("utf-8", errors="replace")
        if was_there:
            raise DownloadError(f"'{path}', which is already there, is no whole record: it begins with {first!r}. Move it, and run again.")
        path.unlink()
        raise DownloadError(f"{file.address} sent no whole record: it begins with {first!r}. Check the accession, or try again later.")
