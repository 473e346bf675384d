"""Language models of DNA, RNA and protein in one context, from the annotated genome to the answer.

The names below are loaded when first used (`__init__.pyi` says from where), so that `import biolect` and
`import biolect.bio` stay light and never load torch.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
