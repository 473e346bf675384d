// One position of an mLSTM layer between its projections, of every row: convolution, queries, keys and values, gates,
// cell, head norm, skip and output gate. What costs is the memory, (B, H, K, K), which is read and written once.

#include "native.h"

#include <limits>
#include <thread>
#include <vector>

namespace {

template <class T> struct Layer {
    int64_t rows, heads, size, reach, block, half, gates_see_turned;
    const T *conv_weight, *conv_bias, *query, *key, *value, *gates_weight, *gates_bias, *norm, *skip;
    const T *up, *cosines, *sines;                       // (B, 2P); (B, half), null without positions
    const T *tail, *memory, *normalizer, *max_log;       // (B, L, P), (B, H, K, K), (B, H, K), (B, H)
    T *next_tail, *next_memory, *next_normalizer, *next_max_log, *out;  // as above; out (B, P)
    T epsilon, norm_epsilon;

    int64_t width() const { return heads * size; }
};

// Loops over several sums at once, because the order within one sum may not be changed by a compiler.
template <class T> T dot(int64_t n, const T* __restrict a, const T* __restrict b) {
    constexpr int64_t LANES = 16;
    T sums[LANES] = {};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int64_t j = 0; j < LANES; j++) sums[j] += a[i + j] * b[i + j];
    T all = 0;
    for (; i < n; i++) all += a[i] * b[i];
    for (int64_t j = 0; j < LANES; j++) all += sums[j];
    return all;
}

template <class T> void map_blocks(const Layer<T>& p, const T* weight, const T* x, T* y) {
    const int64_t size = p.block;
    for (int64_t first = 0; first < p.width(); first += size)
        for (int64_t o = first; o < first + size; o++, weight += size) {
            T sum = 0;
            for (int64_t i = 0; i < size; i++) sum += weight[i] * x[first + i];
            y[o] = sum;
        }
}

// Channel 2i against 2i + 1; angles begin anew after `half` pairs.
template <class T> void turn(const Layer<T>& p, int64_t row, const T* x, T* y) {
    for (int64_t i = 0; i < p.width() / 2; i++) {
        const T c = p.cosines[row * p.half + i % p.half], s = p.sines[row * p.half + i % p.half];
        const T first = x[2 * i], second = x[2 * i + 1];
        y[2 * i] = first * c - second * s;
        y[2 * i + 1] = second * c + first * s;
    }
}

template <class T> void cell(const Layer<T>& p, int64_t at, T input, T forget, const T* q, T* k, const T* v, T* h) {
    const int64_t size = p.size;
    const T decayed = std::min(forget, T(0)) - log_one_plus(exponential(-std::fabs(forget))) + p.max_log[at];
    const T top = std::max(decayed, input), decay = exponential(decayed - top), weight = exponential(input - top);
    const T scale = 1 / std::sqrt(T(size));
    const T* __restrict n = p.normalizer + at * size;
    T* __restrict next = p.next_normalizer + at * size;
    for (int64_t i = 0; i < size; i++) {
        k[i] *= weight;
        next[i] = decay * n[i] + k[i];
    }
    const T* from = p.memory + at * size * size;
    T* to = p.next_memory + at * size * size;  // often the same place
    std::fill_n(h, size, T(0));
    for (int64_t i = 0; i < size; i++, from += size, to += size) {
        const T key = k[i], query = q[i] * scale;
#pragma GCC ivdep
        for (int64_t j = 0; j < size; j++) {
            const T c = decay * from[j] + key * v[j];
            to[j] = c;
            h[j] += query * c;
        }
    }
    // Beyond this the quotient is 0 either way; see `normalizing`.
    const T largest = T(0.9) * std::log(std::numeric_limits<T>::max());
    const T divisor = std::max(std::fabs(dot(size, q, next) * scale), exponential(std::min(-top, largest))) + p.epsilon;
    for (int64_t j = 0; j < size; j++) h[j] /= divisor;
    p.next_max_log[at] = top;
}

template <class T> void row(const Layer<T>& p, int64_t b, std::vector<T>& room) {
    const int64_t width = p.width(), taps = p.reach + 1;
    T *c = room.data(), *seen = c + width, *q = seen + 3 * width, *k = q + width, *h = k + width;
    const T *u = p.up + 2 * b * width, *z = u + width, *tail = p.tail + b * p.reach * width;
    T* next = p.next_tail + b * p.reach * width;
    for (int64_t i = 0; i < width; i++) {
        T sum = p.conv_bias[i];
        for (int64_t back = 0; back < p.reach; back++) sum += tail[back * width + i] * p.conv_weight[i * taps + back];
        sum += u[i] * p.conv_weight[i * taps + p.reach];
        c[i] = sum * logistic(sum);
    }
    if (p.reach) {
        std::copy_n(tail + width, (p.reach - 1) * width, next);
        std::copy_n(u, width, next + (p.reach - 1) * width);
    }
    T *plain_q = seen, *plain_k = seen + width, *v = seen + 2 * width;
    map_blocks(p, p.query, c, plain_q);
    map_blocks(p, p.key, c, plain_k);
    map_blocks(p, p.value, u, v);
    if (p.half) {
        turn(p, b, plain_q, q);
        turn(p, b, plain_k, k);
        if (p.gates_see_turned) std::copy_n(q, 2 * width, seen);
    } else {
        std::copy_n(seen, 2 * width, q);
    }
    for (int64_t head = 0; head < p.heads; head++) {
        const int64_t o = head * p.size, f = p.heads + head;
        const T input = dot(3 * width, p.gates_weight + head * 3 * width, seen) + p.gates_bias[head];
        const T forget = dot(3 * width, p.gates_weight + f * 3 * width, seen) + p.gates_bias[f];
        cell(p, b * p.heads + head, input, forget, q + o, k + o, v + o, h + o);
        T mean = 0, spread = 0;
        for (int64_t j = 0; j < p.size; j++) mean += h[o + j] / p.size;
        for (int64_t j = 0; j < p.size; j++) spread += (h[o + j] - mean) * (h[o + j] - mean) / p.size;
        const T scale = 1 / std::sqrt(spread + p.norm_epsilon);
        for (int64_t j = o; j < o + p.size; j++)
            p.out[b * width + j] = ((h[j] - mean) * scale * p.norm[j] + p.skip[j] * c[j]) * z[j] * logistic(z[j]);
    }
}

template <class T> void step(const int64_t* s, const double* epsilons, const void* const* a) {
    auto in = [&](int i) { return static_cast<const T*>(a[i]); };
    auto made = [&](int i) { return static_cast<T*>(const_cast<void*>(a[i])); };
    const Layer<T> p{s[0],  s[1],  s[2],  s[3],  s[4],  s[5],  s[6],  in(0),  in(1),  in(2),    in(3),    in(4),    in(5),    in(6),    in(7),
                     in(8), in(9), in(10), in(11), in(12), in(13), in(14), in(15), made(16), made(17), made(18), made(19), made(20),
                     T(epsilons[0]), T(epsilons[1])};
    const int64_t threads = std::max<int64_t>(1, std::min(s[7], p.rows));
    auto share = [&](int64_t thread) {
        std::vector<T> room(7 * p.width());
        for (int64_t b = p.rows * thread / threads; b < p.rows * (thread + 1) / threads; b++) row(p, b, room);
    };
    std::vector<std::thread> others;
    for (int64_t thread = 1; thread < threads; thread++) others.emplace_back(share, thread);
    share(0);
    for (auto& other : others) other.join();
}

}  // namespace

extern "C" {
void mlstm_step_float32(const int64_t* sizes, const double* epsilons, const void* const* tensors) { step<float>(sizes, epsilons, tensors); }
void mlstm_step_float64(const int64_t* sizes, const double* epsilons, const void* const* tensors) { step<double>(sizes, epsilons, tensors); }
}
