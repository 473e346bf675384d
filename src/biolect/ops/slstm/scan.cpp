// The sLSTM over whole rows, forward and backward: the loop of reference.py without its calls.
//
// A task is one head of up to four rows, so that every recurrent weight that is read from memory is used for
// all of them. Layouts are those of the Python side: logits (B, T, 4, H, K), hidden values (B, T, H, K), states
// (4, B, H, K) as hidden, cell, normalizer, max_log, recurrent weights (H, K, 4, K). For the backward pass the
// forward pass keeps all logits with their recurrent part, and the state before every STRIDE positions; what
// lies between is computed again.

#include "native.h"

#include <limits>
#include <thread>
#include <vector>

namespace {

constexpr int64_t STRIDE = 32;
constexpr int ACCUMULATORS = 8;

template <class T> struct Lanes {
    typedef T type __attribute__((vector_size(32)));
    typedef T unaligned __attribute__((vector_size(32), aligned(sizeof(T)), may_alias));
};

// out[r] += in[r] W for R rows; W is (inputs, padded), padded a multiple of ACCUMULATORS vectors.
template <class T, int R> void multiply(const T* in, int64_t inputs, const T* w, int64_t padded, T* out) {
    typedef typename Lanes<T>::type V;
    typedef typename Lanes<T>::unaligned U;
    constexpr int LANES = sizeof(V) / sizeof(T), WIDE = ACCUMULATORS / R;
    for (int64_t j = 0; j < padded; j += WIDE * LANES) {
        V sums[R][WIDE];
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
#pragma GCC unroll 8
            for (int i = 0; i < WIDE; i++) sums[r][i] = *reinterpret_cast<const U*>(out + r * padded + j + i * LANES);
        for (int64_t k = 0; k < inputs; k++) {
            V weights[WIDE];
#pragma GCC unroll 8
            for (int i = 0; i < WIDE; i++) weights[i] = *reinterpret_cast<const U*>(w + k * padded + j + i * LANES);
#pragma GCC unroll 8
            for (int r = 0; r < R; r++) {
                const T value = in[r * inputs + k];
#pragma GCC unroll 8
                for (int i = 0; i < WIDE; i++) sums[r][i] += value * weights[i];
            }
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
#pragma GCC unroll 8
            for (int i = 0; i < WIDE; i++) *reinterpret_cast<U*>(out + r * padded + j + i * LANES) = sums[r][i];
    }
}

template <class T> int64_t padded_size(int64_t size) {
    const int64_t unit = ACCUMULATORS * 32 / sizeof(T);
    return (size + unit - 1) / unit * unit;
}

template <class T> struct Problem {
    int64_t rows, length, heads, size;
    const T* recurrent;
    const uint8_t *starts, *is_real;  // (B, T); null where every row is one segment

    bool starts_at(int64_t b, int64_t t) const { return starts && starts[b * length + t]; }
    bool real_at(int64_t b, int64_t t) const { return !is_real || is_real[b * length + t]; }
    // Where the values of one unit group lie: hidden values, gate logits, states.
    int64_t hidden(int64_t b, int64_t t, int64_t h) const { return ((b * length + t) * heads + h) * size; }
    int64_t logits(int64_t b, int64_t t, int64_t h) const { return ((b * length + t) * 4 * heads + h) * size; }
    int64_t state(int64_t part, int64_t b, int64_t h) const { return ((part * rows + b) * heads + h) * size; }
    int64_t state_size() const { return 4 * rows * heads * size; }
};

// One position of one row and head; g holds the logits gate by gate.
template <class T> inline void step(int64_t size, const T* __restrict g, T* __restrict h, T* __restrict c, T* __restrict n, T* __restrict m) {
#pragma GCC ivdep
    for (int64_t j = 0; j < size; j++) {
        const T i = g[j], f = g[size + j];
        const T kept = std::min(f, T(0)) - log_one_plus(exponential(-std::fabs(f))) + m[j];
        const T top = kept > i ? kept : i;
        const T weight = exponential(i - top), decay = exponential(kept - top);
        c[j] = decay * c[j] + weight * hyperbolic(g[2 * size + j]);
        n[j] = decay * n[j] + weight;
        m[j] = top;
        h[j] = logistic(g[3 * size + j]) * c[j] / n[j];
    }
}

template <class T> void empty(int64_t size, T* h, T* c, T* n, T* m) {
    std::fill_n(h, size, T(0));
    std::fill_n(c, size, T(0));
    std::fill_n(n, size, T(0));
    std::fill_n(m, size, -std::numeric_limits<T>::infinity());
}

template <class T, int R>
void forward_task(const Problem<T>& p, int64_t b0, int64_t head, const T* x, T* state, T* y, T* logits, T* marks) {
    const int64_t size = p.size, wide = padded_size<T>(4 * size);
    std::vector<T> w(size * wide), g(R * wide), s(4 * R * size);
    for (int64_t k = 0; k < size; k++) std::copy_n(p.recurrent + (head * size + k) * 4 * size, 4 * size, &w[k * wide]);
    T* part[4];
    for (int i = 0; i < 4; i++) part[i] = &s[i * R * size];
    for (int r = 0; r < R; r++)
        for (int i = 0; i < 4; i++) std::copy_n(state + p.state(i, b0 + r, head), size, part[i] + r * size);
    for (int64_t t = 0; t < p.length; t++) {
        if (marks && t % STRIDE == 0)
            for (int r = 0; r < R; r++)
                for (int i = 0; i < 4; i++)
                    std::copy_n(part[i] + r * size, size, marks + t / STRIDE * p.state_size() + p.state(i, b0 + r, head));
        for (int r = 0; r < R; r++) {
            const int64_t o = r * size;
            if (p.starts_at(b0 + r, t)) empty(size, part[0] + o, part[1] + o, part[2] + o, part[3] + o);
            for (int64_t q = 0; q < 4; q++)
                std::copy_n(x + p.logits(b0 + r, t, head) + q * p.heads * size, size, &g[r * wide + q * size]);
        }
        multiply<T, R>(part[0], size, w.data(), wide, g.data());
        for (int r = 0; r < R; r++) {
            const int64_t o = r * size;
            const bool real = p.real_at(b0 + r, t);
            if (real) step(size, &g[r * wide], part[0] + o, part[1] + o, part[2] + o, part[3] + o);
            T* out = y + p.hidden(b0 + r, t, head);
            if (real) std::copy_n(part[0] + o, size, out);
            else std::fill_n(out, size, T(0));
            if (logits)
                for (int64_t q = 0; q < 4; q++)
                    std::copy_n(&g[r * wide + q * size], size, logits + p.logits(b0 + r, t, head) + q * p.heads * size);
        }
    }
    for (int r = 0; r < R; r++)
        for (int i = 0; i < 4; i++) std::copy_n(part[i] + r * size, size, state + p.state(i, b0 + r, head));
}

// What the backward pass needs of one position, for one row and head.
template <class T> struct Trace {
    std::vector<T> values;
    int64_t size;
    explicit Trace(int64_t size) : values(9 * size * STRIDE), size(size) {}
    T* at(int64_t t, int which) { return &values[(t % STRIDE * 9 + which) * size]; }
};
enum { WEIGHT, DECAY, INPUT, OUTPUT, CLOSED, CHOSEN, CELL_BEFORE, NORMALIZER_BEFORE, CELL_OVER_NORMALIZER };

template <class T>
inline void traced_step(int64_t size, const T* __restrict g, T* __restrict v, T* __restrict h, T* __restrict c, T* __restrict n, T* __restrict m) {
#pragma GCC ivdep
    for (int64_t j = 0; j < size; j++) {
        const T i = g[j], f = g[size + j];
        const T small = exponential(-std::fabs(f));
        const T kept = std::min(f, T(0)) - log_one_plus(small) + m[j];
        const T top = kept > i ? kept : i;
        const T weight = exponential(i - top), decay = exponential(kept - top);
        const T z = hyperbolic(g[2 * size + j]), o = logistic(g[3 * size + j]);
        v[WEIGHT * size + j] = weight;
        v[DECAY * size + j] = decay;
        v[INPUT * size + j] = z;
        v[OUTPUT * size + j] = o;
        v[CLOSED * size + j] = (f > 0 ? small : T(1)) / (1 + small);  // 1 - sigmoid(f)
        v[CHOSEN * size + j] = T(0.5) * (T(i >= kept) + T(i > kept));
        v[CELL_BEFORE * size + j] = c[j];
        v[NORMALIZER_BEFORE * size + j] = n[j];
        c[j] = decay * c[j] + weight * z;
        n[j] = decay * n[j] + weight;
        m[j] = top;
        const T ratio = c[j] / n[j];
        v[CELL_OVER_NORMALIZER * size + j] = ratio;
        h[j] = o * ratio;
    }
}

// Hidden values do not depend on max_log at all (it divides cell and normalizer alike), so it is held fixed for
// them; `dm` is the gradient that reaches it from the last state, and follows the larger log weight back.
template <class T>
inline void step_back(int64_t size, const T* __restrict v, const T* __restrict dy, const T* __restrict dh, T* __restrict dc,
                      T* __restrict dn, T* __restrict dm, T* __restrict dg) {
#pragma GCC ivdep
    for (int64_t j = 0; j < size; j++) {
        const T weight = v[WEIGHT * size + j], decay = v[DECAY * size + j], z = v[INPUT * size + j], o = v[OUTPUT * size + j];
        const T before = v[CELL_BEFORE * size + j], normalizer = v[NORMALIZER_BEFORE * size + j];
        const T ratio = v[CELL_OVER_NORMALIZER * size + j];
        const T total = dy[j] + dh[j], by_ratio = total * o / (decay * normalizer + weight);
        const T by_cell = dc[j] + by_ratio, by_normalizer = dn[j] - by_ratio * ratio;
        const T to_input = dm[j] * v[CHOSEN * size + j], to_forget = dm[j] - to_input;
        dg[j] = (by_cell * z + by_normalizer) * weight + to_input;
        dg[size + j] = ((by_cell * before + by_normalizer * normalizer) * decay + to_forget) * v[CLOSED * size + j];
        dg[2 * size + j] = by_cell * weight * (1 - z * z);
        dg[3 * size + j] = total * ratio * o * (1 - o);
        dc[j] = by_cell * decay;
        dn[j] = by_normalizer * decay;
        dm[j] = to_forget;
    }
}

// Computes positions [begin, end) of one row again; writes the hidden values that entered each of them.
template <class T>
void retrace(const Problem<T>& p, int64_t b, int64_t head, int64_t begin, int64_t end, const T* logits, const T* marks, Trace<T>& trace,
             T* s, T* before) {
    const int64_t size = p.size;
    std::vector<T> g(4 * size);
    T *h = s, *c = s + size, *n = s + 2 * size, *m = s + 3 * size;
    for (int i = 0; i < 4; i++) std::copy_n(marks + begin / STRIDE * p.state_size() + p.state(i, b, head), size, s + i * size);
    for (int64_t t = begin; t < end; t++) {
        if (p.starts_at(b, t)) empty(size, h, c, n, m);
        std::copy_n(h, size, before + p.hidden(b, t, head));
        if (!p.real_at(b, t)) continue;
        for (int64_t q = 0; q < 4; q++) std::copy_n(logits + p.logits(b, t, head) + q * p.heads * size, size, &g[q * size]);
        traced_step(size, g.data(), trace.at(t, 0), h, c, n, m);
    }
}

template <class T, int R>
void backward_task(const Problem<T>& p, int64_t b0, int64_t head, const T* logits, const T* marks, const T* dy, T* d_state, T* dx, T* before) {
    const int64_t size = p.size, wide = padded_size<T>(size);
    std::vector<T> w(4 * size * wide), dh(R * wide), d(3 * R * size), dg(R * 4 * size), s(4 * size);
    for (int64_t k = 0; k < size; k++)
        for (int64_t j = 0; j < 4 * size; j++) w[j * wide + k] = p.recurrent[(head * size + k) * 4 * size + j];
    std::vector<Trace<T>> traces(R, Trace<T>(size));
    T *dc = &d[0], *dn = &d[R * size], *dm = &d[2 * R * size];
    for (int r = 0; r < R; r++) {
        std::copy_n(d_state + p.state(0, b0 + r, head), size, &dh[r * wide]);
        for (int i = 0; i < 3; i++) std::copy_n(d_state + p.state(i + 1, b0 + r, head), size, &d[(i * R + r) * size]);
    }
    for (int64_t end = p.length; end > 0;) {
        const int64_t begin = (end - 1) / STRIDE * STRIDE;
        for (int r = 0; r < R; r++) {
            retrace(p, b0 + r, head, begin, end, logits, marks, traces[r], s.data(), before);
            if (end == p.length)
                for (int64_t j = 0; j < size; j++) {
                    const int64_t o = r * size + j;
                    dm[o] -= dc[o] * s[size + j] + dn[o] * s[2 * size + j];
                }
        }
        for (int64_t t = end - 1; t >= begin; t--) {
            for (int r = 0; r < R; r++) {
                const int64_t o = r * size;
                T* here = &dg[r * 4 * size];
                if (p.real_at(b0 + r, t)) {
                    step_back(size, traces[r].at(t, 0), dy + p.hidden(b0 + r, t, head), &dh[r * wide], dc + o, dn + o, dm + o, here);
                    std::fill_n(&dh[r * wide], wide, T(0));
                } else std::fill_n(here, 4 * size, T(0));
                for (int64_t q = 0; q < 4; q++)
                    std::copy_n(here + q * size, size, dx + p.logits(b0 + r, t, head) + q * p.heads * size);
            }
            multiply<T, R>(dg.data(), 4 * size, w.data(), wide, dh.data());
            for (int r = 0; r < R; r++)
                if (p.starts_at(b0 + r, t)) {
                    std::fill_n(&dh[r * wide], wide, T(0));
                    for (T* each : {dc, dn, dm}) std::fill_n(each + r * size, size, T(0));
                }
        }
        end = begin;
    }
    for (int r = 0; r < R; r++) {
        for (int64_t j = 0; j < size; j++) {
            const int64_t o = r * size + j;
            dm[o] += dc[o] * marks[p.state(1, b0 + r, head) + j] + dn[o] * marks[p.state(2, b0 + r, head) + j];
        }
        std::copy_n(&dh[r * wide], size, d_state + p.state(0, b0 + r, head));
        for (int i = 0; i < 3; i++) std::copy_n(&d[(i * R + r) * size], size, d_state + p.state(i + 1, b0 + r, head));
    }
}

// Runs work(number of rows, first row, head) for all tasks on some threads.
template <class F> void share(int64_t rows, int64_t heads, int64_t threads, F work) {
    int64_t together = 4;
    while (together > 1 && (rows < together || (rows + together - 1) / together * heads < threads)) together /= 2;
    struct Task { int64_t rows, first, head; };
    std::vector<Task> tasks;
    for (int64_t head = 0; head < heads; head++)
        for (int64_t b = 0, count; b < rows; b += count) {
            count = together;
            while (count > rows - b) count /= 2;
            tasks.push_back({count, b, head});
        }
    auto some = [&](int64_t which) {
        for (size_t i = which; i < tasks.size(); i += threads) work(tasks[i].rows, tasks[i].first, tasks[i].head);
    };
    threads = std::min<int64_t>(threads, tasks.size());
    std::vector<std::thread> others;
    for (int64_t i = 1; i < threads; i++) others.emplace_back(some, i);
    if (!tasks.empty()) some(0);
    for (auto& other : others) other.join();
}

template <class T>
void forward(const int64_t* sizes, const T* x, const T* recurrent, const uint8_t* starts, const uint8_t* is_real, T* state, T* y, T* logits, T* marks) {
    const Problem<T> p{sizes[0], sizes[1], sizes[2], sizes[3], recurrent, starts, is_real};
    share(p.rows, p.heads, sizes[4], [&](int64_t rows, int64_t b, int64_t head) {
        if (rows == 4) forward_task<T, 4>(p, b, head, x, state, y, logits, marks);
        else if (rows == 2) forward_task<T, 2>(p, b, head, x, state, y, logits, marks);
        else forward_task<T, 1>(p, b, head, x, state, y, logits, marks);
    });
}

template <class T>
void backward(const int64_t* sizes, const T* recurrent, const uint8_t* starts, const uint8_t* is_real, const T* logits, const T* marks, const T* dy, T* d_state, T* dx, T* before) {
    const Problem<T> p{sizes[0], sizes[1], sizes[2], sizes[3], recurrent, starts, is_real};
    share(p.rows, p.heads, sizes[4], [&](int64_t rows, int64_t b, int64_t head) {
        if (rows == 4) backward_task<T, 4>(p, b, head, logits, marks, dy, d_state, dx, before);
        else if (rows == 2) backward_task<T, 2>(p, b, head, logits, marks, dy, d_state, dx, before);
        else backward_task<T, 1>(p, b, head, logits, marks, dy, d_state, dx, before);
    });
}

}  // namespace

extern "C" {

int64_t slstm_stride() { return STRIDE; }

#define DOOR(NAME, T)                                                                                                              \
    void slstm_forward_##NAME(const int64_t* sizes, const T* x, const T* recurrent, const uint8_t* starts, const uint8_t* is_real, \
                              T* state, T* y, T* logits, T* marks) {                                                               \
        forward<T>(sizes, x, recurrent, starts, is_real, state, y, logits, marks);                                                 \
    }                                                                                                                              \
    void slstm_backward_##NAME(const int64_t* sizes, const T* recurrent, const uint8_t* starts, const uint8_t* is_real,            \
                               const T* logits, const T* marks, const T* dy, T* d_state, T* dx, T* before) {                       \
        backward<T>(sizes, recurrent, starts, is_real, logits, marks, dy, d_state, dx, before);                                    \
    }

DOOR(float32, float)
DOOR(float64, double)
}
