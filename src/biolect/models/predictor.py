"""A linear head on the mean hidden state of a language model: one answer for a whole sequence."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from biolect.models.language_model import LanguageModel


class Predictor(nn.Module):
    """A language model and a head. Only residues are pooled: neither special tokens nor padding count.

    Where the model shares weights between strands, its hidden states are means over both, so the answer is
    the same for a sequence and its reverse complement.

    Args:
        outputs: Classes, or 1 for a number.
    """

    def __init__(self, model: LanguageModel, outputs: int, seed: int = 0) -> None:
        super().__init__()
        self.model = model
        self.head = nn.Linear(model.backbone.width, outputs)
        nn.init.normal_(self.head.weight, std=0.02, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        token_ids: Int[Tensor, "B T"],
        positions: Int[Tensor, "B T"],
        segment_ids: Int[Tensor, "B T"],
        is_pooled: Bool[Tensor, "B T"],
        owners: Int[Tensor, " B"],
    ) -> Float[Tensor, "N K"]:
        """Return the head's outputs for every record.

        Args:
            is_pooled: Which places count.
            owners: Record that each row belongs to, 0-based; long records have several rows.
        """
        hidden = self.model.hidden(token_ids, positions, segment_ids)
        kept = is_pooled.unsqueeze(-1).to(hidden.dtype)
        num_records = int(owners.max()) + 1
        sums = hidden.new_zeros(num_records, hidden.shape[-1]).index_add(0, owners, (hidden * kept).sum(1))
        counts = hidden.new_zeros(num_records, 1).index_add(0, owners, kept.sum(1))
        return self.head(sums / counts.clamp_min(1))
