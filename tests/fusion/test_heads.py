"""Heads answer for sequences of any length, for several targets, and for labels that are missing."""

from typing import Any

import pytest
import torch

from biolect.fusion.fusers import Concatenation
from biolect.fusion.heads import FusionModel, Perceptron, TextCNN, task_loss

NAN = float("nan")


@pytest.mark.parametrize(("channels", "parameters"), [(1_280, 9_223_681), (100, 720_601)])
def test_weights_are_as_many_as_the_paper_has(channels, parameters):
    with torch.device("meta"):
        head = TextCNN.Config(channels=channels).build(600, 1)

    assert sum(p.numel() for p in head.parameters()) == parameters


def test_a_convolution_equals_its_definition():
    head: Any = TextCNN.Config(channels=2, kernels=(2, 4)).build(3, 1).eval().requires_grad_(False)
    values = torch.randn(1, 5, 3)
    best = [
        max(max(0.0, float((conv.weight[c] * values[0, i : i + k].T).sum() + conv.bias[c])) for i in range(5 - k + 1))
        for k, conv in zip((2, 4), head.convolutions, strict=True)
        for c in range(2)
    ]

    torch.testing.assert_close(head(values, torch.ones(1, 5, dtype=torch.bool)), head.out(torch.tensor([best])))


def test_a_sequence_shorter_than_a_kernel_has_one_window():
    head = TextCNN.Config(channels=2).build(3, 1).eval()
    one = torch.randn(1, 1, 3)
    filled = torch.cat([one, torch.zeros(1, 6, 3)], dim=1)

    alone = head(one, torch.ones(1, 1, dtype=torch.bool))

    torch.testing.assert_close(alone, head(filled, torch.arange(7)[None] < 1))


def test_targets_of_every_codon_have_an_answer_each():
    model = FusionModel.Config(fuser=Concatenation.Config(inputs={"rna": 3}), head=Perceptron.Config(pools=False), outputs=2).build()

    outputs, _ = model({"rna": torch.randn(2, 5, 3)}, {"rna": torch.ones(2, 5, dtype=torch.bool)})
    loss = task_loss(outputs, torch.full((2, 5, 2), NAN))

    assert outputs.shape == (2, 5, 2) and loss.item() == 0
    loss.backward()


def test_missing_targets_count_nothing():
    outputs: Any = torch.tensor([[1.0, 5.0], [3.0, 7.0]], requires_grad=True)

    loss = task_loss(outputs, torch.tensor([[0.0, NAN], [NAN, 4.0]]))
    loss.backward()

    assert loss.item() == pytest.approx((1 + 9) / 2)
    assert outputs.grad.tolist() == [[1.0, 0.0], [0.0, 3.0]]


def test_classes_have_an_output_each():
    outputs = torch.tensor([[0.0, 2.0, 1.0], [4.0, 0.0, 0.0]])

    loss = task_loss(outputs, torch.tensor([[1.0], [NAN]]), classes=True)

    assert loss.item() == pytest.approx(torch.nn.functional.cross_entropy(outputs[:1], torch.tensor([1])).item())


def test_seeds_draw_the_weights_and_leave_the_world_alone():
    config: Any = FusionModel.Config(fuser=Concatenation.Config(inputs={"rna": 3}))
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)

    first, again, other = (config.build(seed).head.out.weight for seed in (1, 1, 2))

    assert torch.equal(first, again) and not torch.equal(first, other) and torch.equal(torch.rand(1), expected)
