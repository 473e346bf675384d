"""The sLSTM: cells with exponential gates whose output at one position enters the gates of the next.

Every unit of a head keeps a cell c, a normalizer n and its output h:

    logits = from the input + R h_(t-1)          (R is dense inside a head, and nothing crosses heads)
    c_t = f_t c_(t-1) + i_t tanh(cell logit)     n_t = f_t n_(t-1) + i_t
    h_t = sigmoid(output logit) c_t / n_t        i_t = exp(input logit), f_t = sigmoid(forget logit)

Because h enters the gates, positions can only be read one after the other. c and n are kept divided by exp(m_t),

    m_t = max(log f_t + m_(t-1), input logit_t),    m_0 = minus infinity,

so that n_t is never below 1 and no epsilon is needed.

- `slstm_step`: one position; the definition.
- `slstm_loop`: whole rows as a loop of steps.
- `slstm_scan`: whole rows; the one to use.

Nothing flows between segments. Padding (segment id 0) gives 0 and leaves the state alone.

Source: xLSTM, arXiv:2405.04517, section 2.2. m_0 = 0 would risk 0/0 for very negative input logits.
"""

from biolect.ops.slstm.reference import SLSTMState, empty_state, slstm_loop, slstm_step
from biolect.ops.slstm.scan import slstm_scan

__all__ = ["SLSTMState", "empty_state", "slstm_loop", "slstm_scan", "slstm_step"]
