"""Language models of DNA, RNA, protein and molecules, their data and their fusion."""

__version__ = "0.1.0"
