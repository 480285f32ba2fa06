"""Kernels of the closed form's fixed features: pooled reservoirs, random convolutions.

Every row is gone through by itself, so that what it gives does not depend on the rows beside it,
to the last bit. A reservoir's weights are read once a step from the nearest cache, and its states
are pooled before they leave it; a convolution's results are never stored.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir

from ._builder import (
    INDEX,
    POINTER,
    Code,
    Fields,
    Given,
    Pointer,
    Real,
    Value,
    Variable,
    clear,
    copy,
    fields,
    tanh,
)
from ._call import run_together

#: Steps of a reservoir that are pooled at once, as torch's path does it.
POOLED_STEPS = 32
#: Steps of a convolution that are gone through at once.
CONVOLVED_STEPS = 1024
#: Taps of a kernel, and levels that it is compared with.
TAPS, LEVELS = 9, 2

#: Multiplications that a thread of its own is worth.
_WORTH_A_THREAD = 2_000_000


class ReservoirFields(Fields):
    """What a call of a reservoir's kernel is given."""

    _fields_ = fields(
        # Blocks to run, from the first to before the last; rows; units, and rounded up to lanes.
        *("first", "last", "rows", "units", "padded", "inputs", "per_direction"),
        # By direction and row: the address of its steps, without gaps; by row: how many they are.
        *("steps", "lengths"),
        # (K, inputs, padded), (K, padded), (K, units, padded), (K,)
        *("weight_in", "bias", "weight", "leak"),
        # (K, B, units), changed; and steps so far, (B,).
        *("state", "mean", "squares", "positive", "variation", "largest", "count"),
        # A work area for each call: (POOLED_STEPS + 6) * padded.
        "work",
    )


class ConvolutionFields(Fields):
    """What a call of the convolutions' kernel is given."""

    _fields_ = fields(
        # Rows, kernels that read one mix, mixes; numbers from one row or mix of them to the next.
        *("rows", "group", "mixes", "row", "mix"),
        # Padded mixes, of which the first tap of step 0 is the first number; steps of each row.
        *("mixed", "lengths", "dilation"),
        # By kernel: where its three heavy taps stand behind the first; (kernels, LEVELS).
        *("taps", "level"),
        # By row; (B, kernels, LEVELS), added to.
        *("slope", "found"),
        # A work area of CONVOLVED_STEPS, and as many ones as lanes with as many zeros behind.
        *("work", "ones"),
    )


class FeatureKernel:
    """The compiled function of some fixed features, for numbers of `size` bytes.

    `run` is called with the address of its fields, and runs without Python's lock; `engine` owns
    the machine code.
    """

    def __init__(self, real: Real, engine: Any, run: Any) -> None:
        self.lanes, self.engine, self.run = real.lanes, engine, run
        self.dtype = np.dtype(np.float32 if real.size == 4 else np.float64)


class ReservoirKernel(FeatureKernel):
    """Takes rows through the blocks of a reservoir, and pools their states."""

    def padded(self, units: int) -> int:
        """Return the units rounded up to whole vectors, as the weights' last axis has to be."""
        return -(-units // self.lanes) * self.lanes

    def advance(
        self,
        arrays: Mapping[str, int],
        shape: tuple[int, int, int],
        places: Sequence[int],
        lengths: Sequence[int],
        threads: int,
    ) -> None:
        """Take rows on by some steps.

        Parameters
        ----------
        arrays : mapping of str to int
            Addresses of the weights and of what is changed; see :class:`ReservoirFields`.
        shape : (int, int, int)
            Blocks, inputs and units.
        places : sequence of int
            The address of each row's steps, (steps, inputs) without gaps, by direction and row.
        lengths : sequence of int
            Steps of each row.
        threads : int
            To use at most. They change no bit of the result.
        """
        blocks, inputs, units = shape
        rows, padded = len(lengths), self.padded(units)
        starts = (ctypes.c_int64 * len(places))(*places)
        ends = (ctypes.c_int64 * rows)(*lengths)
        cost = sum(lengths) * blocks * units * (units + inputs)
        parts = max(1, min(threads, blocks, cost // _WORTH_A_THREAD))
        work = np.empty((parts, (POOLED_STEPS + 6) * padded), self.dtype)
        calls = []
        for part in range(parts):
            given = ReservoirFields(rows=rows, units=units, padded=padded, inputs=inputs, **arrays)
            given.first, given.last = blocks * part // parts, blocks * (part + 1) // parts
            given.per_direction = blocks // (len(places) // rows)
            given.steps, given.lengths = ctypes.addressof(starts), ctypes.addressof(ends)
            given.work = work[part].ctypes.data
            calls.append(given)
        run_together([partial(self.run, ctypes.addressof(given)) for given in calls])


class ConvolutionKernel(FeatureKernel):
    """Counts the steps at which random convolutions are above their levels."""

    def count(
        self,
        arrays: Mapping[str, int],
        shape: tuple[int, int, int],
        lengths: Sequence[int],
        dilation: int,
        kernels: int,
    ) -> None:
        """Add to what is found how many steps of each row are above each level.

        Parameters
        ----------
        arrays : mapping of str to int
            Addresses; see :class:`ConvolutionFields`.
        shape : (int, int, int)
            Of the mixes: how many, rows, and numbers of a row.
        lengths : sequence of int
            Steps of each row.
        dilation, kernels : int
        """
        mixes, rows, size = shape
        ends = (ctypes.c_int64 * rows)(*lengths)
        work = np.empty(CONVOLVED_STEPS + self.lanes, self.dtype)
        ones = np.zeros(2 * self.lanes, self.dtype)
        ones[: self.lanes] = 1.0
        given = ConvolutionFields(rows=rows, mixes=mixes, row=size, mix=rows * size, **arrays)
        given.group, given.dilation = kernels // mixes, dilation
        given.lengths = ctypes.addressof(ends)
        given.work, given.ones = work.ctypes.data, ones.ctypes.data
        self.run(ctypes.addressof(given))


def write_reservoir(real: Real, name: str) -> ir.Module:
    """Write ``run``, which takes rows through the blocks of a reservoir and pools their states."""
    module = ir.Module(name)
    copy_row, clear_row = copy(module, real, False), clear(module, real)
    advance, pool = _advance(module, real), _pool(module, real)
    code = Code(module, real, "run", [POINTER], exported=True)
    given = Given(code, ReservoirFields)
    rows, units, padded = given.number("rows"), given.number("units"), given.number("padded")
    inputs = given.number("inputs")
    states = given.reals("work")
    names = ("mean", "squares", "positive", "variation", "largest")
    pooled = [states + padded * (POOLED_STEPS + 1 + i) for i in range(len(names))]
    code.call(clear_row, states, padded * (POOLED_STEPS + 1 + len(names)))
    with (
        code.loop(given.number("last"), start=given.number("first")) as block,
        code.loop(rows) as i,
    ):
        length = (given.indices("lengths") + i).load()
        with code.when(length.compare(">", 0)):
            at = (block * rows + i) * units
            code.call(copy_row, states, given.reals("state") + at, units)
            for target, field in zip(pooled, names, strict=True):
                code.call(copy_row, target, given.reals(field) + at, units)
            address = given.indices("steps") + (block / given.number("per_direction") * rows + i)
            steps = code.reals(code.builder.inttoptr(address.load().ir, POINTER))
            count = Variable(code, (given.reals("count") + i).load())
            start = Variable(code, code.integer(0))
            with code.repeat(lambda: start.get().compare("<", length)):
                left = length - start.get()
                size = code.where(left.compare("<", POOLED_STEPS), left, POOLED_STEPS)
                with code.loop(size) as t:
                    before = states + t * padded
                    code.call(
                        advance, before, before + padded, steps + (start.get() + t) * inputs,
                        given.reals("bias") + block * padded,
                        given.reals("weight_in") + block * inputs * padded,
                        given.reals("weight") + block * units * padded,
                        given.reals("leak") + block,
                        inputs, units, padded,
                    )  # fmt: skip
                code.call(pool, states, *pooled, padded, size, count.get())
                code.call(copy_row, states, states + size * padded, padded)
                count.set(count.get() + code.real_number(size))
                start.set(start.get() + size)
            code.call(copy_row, given.reals("state") + at, states, units)
            for source, field in zip(pooled, names, strict=True):
                code.call(copy_row, given.reals(field) + at, source, units)
    code.finish()
    return module


def _advance(module: ir.Module, real: Real) -> ir.Function:
    """Write ``advance(h, to, x, bias, W_in, W, leak, inputs, units, padded)``: one step of a row.

    A sum over units is taken in two, those of even and of odd number, which wait for each other
    half as long.
    """
    code = Code(module, real, "advance", [POINTER] * 7 + [INDEX] * 3)
    h, to, x, bias, weight_in, weight, leak = (code.reals(a) for a in code.function.args[:7])
    inputs, units, padded = (Value(code, a) for a in code.function.args[7:])
    share = code.splat(leak.load())
    width = 8 if real.registers >= 32 else 4

    def tile(column: Value, vectors: int) -> None:
        """Write the step of some vectors of units."""
        places = [column + v * code.lanes for v in range(vectors)]
        even = [Variable(code, (bias + place).load(True)) for place in places]
        odd = [Variable(code, code.constant(0.0)) for _ in places]

        def add(sums: list[Variable], scalar: Value, row: Pointer) -> None:
            for total, place in zip(sums, places, strict=True):
                total.set(code.fma(scalar, (row + place).load(True), total.get()))

        with code.loop(inputs) as k:
            add(even, code.splat((x + k).load()), weight_in + k * padded)
        pairs = units / 2 * 2
        with code.loop(pairs, step=2) as k:
            add(even, code.splat((h + k).load()), weight + k * padded)
            add(odd, code.splat((h + (k + 1)).load()), weight + (k + 1) * padded)
        with code.loop(units, start=pairs) as k:
            add(even, code.splat((h + k).load()), weight + k * padded)
        for place, one, other in zip(places, even, odd, strict=True):
            old = (h + place).load(True)
            target = tanh(code, one.get() + other.get())
            (to + place).store(code.fma(share, target - old, old))

    n = padded / code.lanes
    with code.loop(n / width) as index:
        tile(index * (width * code.lanes), width)
    for vectors in range(1, width):
        with code.when((n % width).compare("==", vectors)):
            tile(n / width * (width * code.lanes), vectors)
    return code.finish()


def _pool(module: ir.Module, real: Real) -> ir.Function:
    """Write ``pool(states, mean, squares, positive, variation, largest, padded, steps, count)``.

    Adds some steps' states (steps + 1, padded), the one before them first, to the poolings of
    `count` steps; means and squares are merged as by Chan et al. (1979).
    """
    code = Code(module, real, "pool", [POINTER] * 6 + [INDEX] * 2 + [real.scalar])
    states, *pooled = (code.reals(a) for a in code.function.args[:6])
    padded, steps, count = (Value(code, a) for a in code.function.args[6:])
    size = code.real_number(steps)
    share = size / (count + size)
    # What leads from the zero state to the first says nothing of the sequence's variation.
    begun = code.splat(code.where(count.compare(">", 0.0), count * 0.0 + 1.0, 0.0))
    word = 8 * real.size
    with code.loop(padded, step=code.lanes) as j:
        mean, squares, positive, variation, largest = (part + j for part in pooled)

        def change(t: Value) -> Value:
            row = states + (t * padded + j)
            bits = code.as_bits((row + padded).load(True) - row.load(True))
            return code.as_real(code.bitwise("and_", bits, (1 << (word - 1)) - 1))

        def above(value: Value) -> Value:
            return code.where(value.compare(">", 0.0), code.constant(1.0), 0.0)

        first = (states + (padded + j)).load(True)
        total, most = Variable(code, first), Variable(code, first)
        ups, changes = Variable(code, above(first)), Variable(code, begun * change(steps * 0))
        with code.loop(steps, start=1) as t:
            new = (states + ((t + 1) * padded + j)).load(True)
            total.set(total.get() + new)
            most.set(code.where(new.compare(">", most.get()), new, most.get()))
            ups.set(ups.get() + above(new))
            changes.set(changes.get() + change(t))
        middle = total.get() / code.splat(size)
        off = Variable(code, code.constant(0.0))
        with code.loop(steps) as t:
            away = (states + ((t + 1) * padded + j)).load(True) - middle
            off.set(code.fma(away, away, off.get()))
        shift, known = middle - mean.load(True), largest.load(True)
        more = shift * shift * code.splat(count * share)
        squares.store(squares.load(True) + off.get() + more)
        mean.store(code.fma(shift, code.splat(share), mean.load(True)))
        positive.store(positive.load(True) + ups.get())
        variation.store(variation.load(True) + changes.get())
        largest.store(code.where(most.get().compare(">", known), most.get(), known))
    return code.finish()


def write_convolutions(real: Real, name: str) -> ir.Module:
    """Write ``run``, which counts the steps at which convolutions are above their levels.

    A kernel weighs three of nine taps by 2 and the others by -1: three times the three, less all.
    """
    module = ir.Module(name)
    sum_taps, count_above = _sum_taps(module, real), _count_above(module, real)
    code = Code(module, real, "run", [POINTER], exported=True)
    given = Given(code, ConvolutionFields)
    group, work = given.number("group"), given.reals("work")
    with code.loop(given.number("rows")) as i, code.loop(given.number("mixes")) as mix:
        length = (given.indices("lengths") + i).load()
        mixed = given.reals("mixed") + (mix * given.number("mix") + i * given.number("row"))
        start = Variable(code, code.integer(0))
        with code.repeat(lambda: start.get().compare("<", length)):
            left = length - start.get()
            size = code.where(left.compare("<", CONVOLVED_STEPS), left, CONVOLVED_STEPS)
            here = mixed + start.get()
            code.call(sum_taps, here, work, given.number("dilation"), size)
            with code.loop(group) as k:
                kernel = mix * group + k
                row = i * group * given.number("mixes") + kernel
                code.call(
                    count_above, here, work, given.indices("taps") + kernel * 3,
                    given.reals("level") + kernel * LEVELS, given.reals("slope") + i,
                    given.reals("found") + row * LEVELS, given.reals("ones"), size,
                )  # fmt: skip
            start.set(start.get() + size)
    code.finish()
    return module


def _sum_taps(module: ir.Module, real: Real) -> ir.Function:
    """Write ``sum_taps(mixed, to, dilation, steps)``: the sum of all taps at each step."""
    code = Code(module, real, "sum_taps", [POINTER, POINTER, INDEX, INDEX])
    mixed, to = (code.reals(a) for a in code.function.args[:2])
    dilation, steps = (Value(code, a) for a in code.function.args[2:])
    with code.loop(steps, step=code.lanes) as t:
        total = (mixed + t).load(True)
        for tap in range(1, TAPS):
            total = total + (mixed + (t + dilation * tap)).load(True)
        (to + t).store(total)
    return code.finish()


def _count_above(module: ir.Module, real: Real) -> ir.Function:
    """Write ``count_above(mixed, sums, taps, level, slope, found, ones, steps)`` for one kernel.

    A step counts from 0 to 1 while passing through the level, on a line.
    """
    code = Code(module, real, "count_above", [POINTER] * 7 + [INDEX])
    mixed, sums, _, level, slope, found, ones = (code.reals(a) for a in code.function.args[:7])
    taps, steps = code.indices(code.function.args[2]), Value(code, code.function.args[7])
    heavy = [mixed + (taps + i).load() for i in range(3)]
    levels = [code.splat((level + i).load()) for i in range(LEVELS)]
    steep = code.splat(slope.load())
    totals = [Variable(code, code.constant(0.0)) for _ in levels]

    def parts(t: Value) -> list[Value]:
        three = (heavy[0] + t).load(True) + (heavy[1] + t).load(True) + (heavy[2] + t).load(True)
        value = code.fma(three, 3.0, 0.0 - (sums + t).load(True))
        over = [code.fma(value - line, steep, 0.5) for line in levels]
        over = [code.where(part.compare(">", 1.0), 1.0, part) for part in over]
        return [code.where(part.compare("<", 0.0), 0.0, part) for part in over]

    whole = steps / code.lanes * code.lanes
    with code.loop(whole, step=code.lanes) as t:
        for total, part in zip(totals, parts(t), strict=True):
            total.set(total.get() + part)
    with code.when(whole.compare("<", steps)):
        # Of the last vector only the first lanes are steps.
        mask = (ones + (whole + code.lanes - steps)).load(True)
        for total, part in zip(totals, parts(whole), strict=True):
            total.set(code.fma(part, mask, total.get()))
    for i, total in enumerate(totals):
        vector, apart = total.get(), code.lanes // 2
        while apart:
            turned = [(lane + apart) % code.lanes for lane in range(code.lanes)]
            vector, apart = vector + code.shuffle(vector, vector, turned), apart // 2
        place = found + i
        place.store(place.load() + code.lane(vector, 0))
    return code.finish()
