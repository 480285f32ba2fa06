"""Exponential, sigmoid and hyperbolic tangent of vectors, exact to a few units in the last place.

Imports the builder only. All rest on e^y = 2^n e^f with n = round(y / ln 2) and |f| <= ln(2) / 2,
where the Taylor series of e^f - 1 is as exact as the type after 7 terms, or 13 in double precision.
"""

from __future__ import annotations

import math
from decimal import Decimal

from ._builder import Code, Value


def _power(code: Code, y: Value) -> tuple[Value, Value]:
    """Return 2^n and e^f - 1 with 2^n e^f = e^y; y must neither over- nor underflow e^y."""
    real = code.real
    # Adding 1.5 * 2^23 (or 2^52) leaves the nearest integer in the low bits of the sum.
    magic = 1.5 * 2.0**real.mantissa
    sum_ = code.fma(y, 1 / math.log(2), magic)
    n = sum_ - magic
    # ln 2 in two parts, the first so short that its product with n is exact.
    digits = 2.0 ** (15 if real.size == 4 else 40)
    high = round(math.log(2) * digits) / digits
    low = float(Decimal(2).ln() - Decimal(high))
    f = code.fma(n, -low, code.fma(n, -high, y))
    terms = 7 if real.size == 4 else 13
    series = code.constant(1 / math.factorial(terms))
    for k in range(terms - 1, 1, -1):
        series = code.fma(series, f, 1 / math.factorial(k))
    bias = (127 << 23) if real.size == 4 else (1023 << 52)
    exponent = code.bitwise("shl", code.as_bits(sum_), real.mantissa)
    scale = code.as_real(code.bitwise("add", exponent, bias))
    return scale, code.fma(f * f, series, f)


def _clamp(code: Code, x: Value, low: float, high: float) -> Value:
    """Limit x, leaving NaN alone."""
    x = code.where(x.compare(">", high), high, x)
    return code.where(x.compare("<", low), low, x)


def exponential(code: Code, x: Value) -> Value:
    """Return e^x for x <= 0, NaN included."""
    limit = 87.0 if code.real.size == 4 else 708.0
    scale, rest = _power(code, code.where(x.compare("<", -limit), -limit, x))
    return code.fma(scale, rest, scale)


def sigmoid(code: Code, x: Value) -> Value:
    """Return 1 / (1 + e^-x)."""
    limit = 87.0 if code.real.size == 4 else 708.0
    scale, rest = _power(code, 0.0 - _clamp(code, x, -limit, limit))
    return 1.0 / (code.fma(scale, rest, scale) + 1.0)


def tanh(code: Code, x: Value) -> Value:
    """Return -m / (2 + m) with m = e^(-2 |x|) - 1, and the sign of x."""
    word = 8 * code.real.size
    bits = code.as_bits(x)
    size = code.as_real(code.bitwise("and_", bits, (1 << (word - 1)) - 1))
    limit = 10.0 if code.real.size == 4 else 20.0
    size = code.where(size.compare(">", limit), limit, size)
    scale, rest = _power(code, size * -2.0)
    m = code.fma(scale, rest, scale - 1.0)
    value = (0.0 - m) / (m + 2.0)
    sign = code.bitwise("and_", bits, 1 << (word - 1))
    return code.as_real(code.or_bits(code.as_bits(value), sign))


def relu(code: Code, x: Value) -> Value:
    """Return x where it is not negative, NaN included."""
    return code.where(x.compare("<", 0.0), 0.0, x)
