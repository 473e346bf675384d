"""Public names: few, documented, loaded when used, and in the words of the glossary."""

import ast
import inspect
import re
import subprocess
import sys

import pytest

import biolect
from tests.house.reading import REPOSITORY, modules

MOST_NAMES = 30
BANNED_PARTS = {
    *{"idx", "vocab", "charset", "ckpt", "snapshot", "ppl", "llr", "bpc", "igate", "fgate", "eod", "trunk", "triplet", "preset"},
    *{"dataset", "logprob", "logprobs", "minibatch", "nll"},
}
BANNED_NAMES = {
    *{"input_ids", "seq_len", "max_length", "block_size", "past_key_values", "cu_seqlens", "sample_id", "few_shot", "max_len"},
    *{"attention_mask", "num_samples", "delta_score", "codon_table"},
}


def names_in(module):
    """Names that a module gives to functions, classes, arguments and fields of its public things."""
    for node in module.public():
        yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (field.target.id for field in node.body if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name))
        else:
            yield from (argument.arg for argument in node.args.posonlyargs + node.args.args + node.args.kwonlyargs)


@pytest.mark.parametrize("module", modules(), ids=str)
def test_public_names_use_the_words_of_the_glossary(module):
    words = {name: set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")) for name in names_in(module)}

    assert [name for name, parts in words.items() if parts & BANNED_PARTS or name in BANNED_NAMES] == []


@pytest.mark.parametrize("module", modules(), ids=str)
def test_every_public_callable_has_a_docstring(module):
    assert ast.get_docstring(module.tree)
    # An overload's documentation is that of what it overloads; a protocol's method is documented by its class.
    bare = [node for node in module.public() if not ast.get_docstring(node)]
    silent = [node.name for node in bare if not (isinstance(node.body[-1], ast.Expr) and ast.unparse(node.body[-1]) == "...")]

    assert silent == []


def test_the_face_is_small_and_equals_the_documented_list():
    text = (REPOSITORY / "docs" / "all-of-biolect.md").read_text()
    documented = re.findall(r"`(\w+)`", text.partition("## The face")[2].partition("##")[0])

    assert sorted(documented) == sorted(biolect.__all__)
    assert len(documented) <= MOST_NAMES


@pytest.mark.parametrize("name", sorted(biolect.__all__))
def test_every_name_of_the_face_can_be_loaded_and_explains_itself(name):
    value = getattr(biolect, name)

    assert inspect.getdoc(value)


def test_the_face_loads_nothing_early():
    heavy = "{'torch', 'polars', 'matplotlib', 'sklearn', 'scipy', 'pyarrow', 'Bio'}"
    code = f"import sys, biolect; sys.exit(bool({heavy} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
