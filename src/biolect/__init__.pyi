from . import recipes as recipes
from .bio.gene import Gene as Gene
from .bio.genetic_code import GeneticCode as GeneticCode
from .bio.io import read_genes as read_genes, read_records as read_records, write_fasta as write_fasta
from .bio.sequence import Modality as Modality, Sequence as Sequence
from .bio.variant import Variant as Variant
from .data.corpus import Corpus as Corpus, PrepareOptions as PrepareOptions, prepare as prepare
from .data.document import Grammar as Grammar
from .errors import BiolectError as BiolectError
from .infer.generate import Sampling as Sampling, generate as generate
from .infer.prompt import Prompt as Prompt
from .infer.reader import Reader as Reader
from .infer.score import Query as Query, score as score
from .infer.variants import score_variants as score_variants
from .models.checkpoint import load as load
from .models.language_model import LanguageModel as LanguageModel
from .models.transformer import Transformer as Transformer
from .models.xlstm import XLSTM as XLSTM
from .tokens.vocabulary import Vocabulary as Vocabulary
from .train.curriculum import Phase as Phase, RunConfig as RunConfig
from .train.pretrain import pretrain as pretrain

__version__: str
__all__: list[str]
