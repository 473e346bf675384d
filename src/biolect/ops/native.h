// What compiled operators share: elementary functions without branches, so that loops over them become vector code.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

// Taylor series to degree 7 on |r| <= ln(2)/2: error 5e-9.
inline float exponential(float x) {
    const float kept = std::min(std::max(x, -87.0f), 88.0f);
    const float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    const float n = (kept * 1.44269504f + shift) - shift;
    const float r = (kept - n * 0.693145752f) - n * 1.42860677e-6f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, 4);
    return x < -87.0f ? 0.0f : p * power;
}
inline double exponential(double x) { return std::exp(x); }

// log(1 + x) for 0 <= x <= 1, as 2 atanh(x / (2 + x)); right for the smallest x too.
inline float log_one_plus(float x) {
    const float s = x / (2.0f + x), q = s * s;
    float p = 1.0f / 17;
    p = p * q + 1.0f / 15;
    p = p * q + 1.0f / 13;
    p = p * q + 1.0f / 11;
    p = p * q + 1.0f / 9;
    p = p * q + 1.0f / 7;
    p = p * q + 1.0f / 5;
    p = p * q + 1.0f / 3;
    p = p * q + 1.0f;
    return 2.0f * s * p;
}
inline double log_one_plus(double x) { return std::log1p(x); }

template <class T> inline T hyperbolic(T x) {
    const T e = exponential(-2 * std::fabs(x));
    return std::copysign((1 - e) / (1 + e), x);
}
inline double hyperbolic(double x) { return std::tanh(x); }

template <class T> inline T logistic(T x) { return 1 / (1 + exponential(-x)); }

}  // namespace
