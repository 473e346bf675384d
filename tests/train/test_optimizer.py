import torch
from torch import nn

from biolect.train.optimizer import AdamW, split_by_decay


def _model() -> nn.Sequential:
    return nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 7), nn.RMSNorm(7))


def test_matrices_decay_and_norms_biases_and_embeddings_do_not():
    decayed, kept = split_by_decay(_model())

    assert [tuple(p.shape) for p in decayed] == [(7, 3)]
    assert [tuple(p.shape) for p in kept] == [(5, 3), (7,), (7,)]


def test_frozen_parameters_are_left_out():
    model = _model()
    model[1].weight.requires_grad_(False)

    optimizer = AdamW().build(model)

    assert sum(len(group["params"]) for group in optimizer.param_groups) == 3


def test_a_step_at_rate_zero_changes_nothing():
    model = _model()
    optimizer = AdamW().build(model)
    before = [p.clone() for p in model.parameters()]
    model(torch.tensor([[1, 2]])).sum().backward()

    optimizer.step()

    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
