"""The mLSTM: a matrix that forgets, read by queries.

Every position t decays the memory by a forget gate, adds the outer product of its key and value, weighted by
an input gate, and reads the memory with its query:

    C_t = f_t C_(t-1) + i_t k_t v_t^T        n_t = f_t n_(t-1) + i_t k_t
    h_t = C_t^T q_t / max(|n_t^T q_t|, 1)    i_t = exp(input_gate_logit), f_t = sigmoid(forget_gate_logit)

Queries are scaled by K**-0.5 inside, keys are not, so states follow that convention. Input gates are exponential
and would overflow; so C and n are kept divided by exp(m_t), where m is the running maximum of the log weights,

    m_t = max(log f_t + m_(t-1), input_gate_logit_t),    m_0 = 0,

and the denominator becomes max(|n_t^T q_t|, exp(-m_t)) + epsilon. Epsilon is added to divided quantities, so it
is part of the definition, and all forms use the same m:

- `mlstm_step`: one position, from a state to the next; the definition.
- `mlstm_parallel`: all positions against all, quadratic; the definition without a state.
- `mlstm_chunkwise`: quadratic inside chunks only, linear in T; the one to use.
- `mlstm_two_sided`: every position reads both sides; `mlstm_two_sided_parallel` is its definition.

Nothing flows between segments. Padding (segment id 0) gives 0 and leaves the state alone.

Source: xLSTM, arXiv:2405.04517, section 2.3 and appendix; we write C as K x V.
"""

from biolect.ops.mlstm.chunkwise import mlstm_chunkwise
from biolect.ops.mlstm.reference import MLSTMState, empty_state, mlstm_parallel, mlstm_step, mlstm_two_sided_parallel
from biolect.ops.mlstm.two_sided import mlstm_two_sided

__all__ = ["MLSTMState", "empty_state", "mlstm_chunkwise", "mlstm_parallel", "mlstm_step", "mlstm_two_sided", "mlstm_two_sided_parallel"]
