"""The language in which kernels are written, small products of matrices, and each cell's formulas.

Imports llvmlite.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from llvmlite import ir

INDEX = ir.IntType(64)
POINTER = ir.PointerType()


class Real(NamedTuple):
    """A floating-point type, and the vector of it that the processor works on."""

    name: str
    size: int
    lanes: int
    registers: int

    @property
    def scalar(self) -> ir.Type:
        return ir.FloatType() if self.size == 4 else ir.DoubleType()

    @property
    def vector(self) -> ir.Type:
        return ir.VectorType(self.scalar, self.lanes)

    @property
    def bits(self) -> ir.Type:
        """The integers of a vector's size."""
        return ir.VectorType(ir.IntType(8 * self.size), self.lanes)

    @property
    def mantissa(self) -> int:
        return 23 if self.size == 4 else 52


class Value:
    """A number or a vector; operators write the instruction."""

    __slots__ = ("code", "ir")

    def __init__(self, code: Code, value: ir.Value) -> None:
        self.code, self.ir = code, value

    @property
    def _is_integer(self) -> bool:
        return isinstance(self.ir.type, ir.IntType)

    def _write(self, other: Any, integer: str, real: str, swap: bool = False) -> Value:
        other = self.code.like(other, self)
        name = integer if self._is_integer else real
        left, right = (other, self) if swap else (self, other)
        return Value(self.code, getattr(self.code.builder, name)(left.ir, right.ir))

    def __add__(self, other: Any) -> Value:
        return self._write(other, "add", "fadd")

    def __sub__(self, other: Any) -> Value:
        return self._write(other, "sub", "fsub")

    def __mul__(self, other: Any) -> Value:
        return self._write(other, "mul", "fmul")

    def __truediv__(self, other: Any) -> Value:
        return self._write(other, "udiv", "fdiv")

    def __radd__(self, other: Any) -> Value:
        return self + other

    def __rmul__(self, other: Any) -> Value:
        return self * other

    def __rsub__(self, other: Any) -> Value:
        return self._write(other, "sub", "fsub", swap=True)

    def __rtruediv__(self, other: Any) -> Value:
        return self._write(other, "udiv", "fdiv", swap=True)

    def __floordiv__(self, other: Any) -> Value:
        return self / other

    def __mod__(self, other: Any) -> Value:
        return self._write(other, "urem", "frem")

    def compare(self, sign: str, other: Any) -> Value:
        """Compare; with a NaN the answer is False."""
        other = self.code.like(other, self)
        builder = self.code.builder
        write = builder.icmp_signed if self._is_integer else builder.fcmp_ordered
        return Value(self.code, write(sign, self.ir, other.ir))


class Pointer:
    """The address of an array of scalars of one type."""

    __slots__ = ("code", "element", "ir")

    def __init__(self, code: Code, value: ir.Value, element: ir.Type) -> None:
        self.code, self.ir, self.element = code, value, element

    def __add__(self, offset: Any) -> Pointer:
        """Go on by this many scalars."""
        offset = self.code.integer(offset)
        moved = self.code.builder.gep(self.ir, [offset.ir], source_etype=self.element)
        return Pointer(self.code, moved, self.element)

    def _align(self) -> int:
        return 8 if self.element == INDEX else self.code.real.size

    def load(self, vector: bool = False) -> Value:
        """Read the scalar, or the vector that begins here."""
        kind = self.code.real.vector if vector else self.element
        return Value(self.code, self.code.builder.load(self.ir, align=self._align(), typ=kind))

    def store(self, value: Value) -> None:
        """Write a scalar or a vector."""
        self.code.builder.store(value.ir, self.ir, align=self._align())


class Variable:
    """A number or vector that changes; LLVM keeps it in a register."""

    __slots__ = ("code", "ir", "kind")

    def __init__(self, code: Code, value: Value) -> None:
        self.code, self.kind = code, value.ir.type
        with code.builder.goto_entry_block():
            self.ir = code.builder.alloca(self.kind)
        self.set(value)

    def get(self) -> Value:
        return Value(self.code, self.code.builder.load(self.ir, typ=self.kind))

    def set(self, value: Any) -> None:
        value = self.code.integer(value) if isinstance(value, int) else value
        self.code.builder.store(value.ir, self.ir)


class Code:
    """Write one function of a module.

    Parameters
    ----------
    module : ir.Module
    real : Real
    name : str
    arguments : sequence of ir.Type
    exported : bool, default=False
        Whether it is called from outside; the others LLVM may inline and drop.
    """

    def __init__(
        self,
        module: ir.Module,
        real: Real,
        name: str,
        arguments: Sequence[ir.Type],
        exported: bool = False,
    ) -> None:
        kind = ir.FunctionType(ir.VoidType(), list(arguments))
        self.module, self.real = module, real
        self.function = ir.Function(module, kind, name)
        if not exported:
            self.function.linkage = "internal"
            self.function.attributes.add("noinline")
        # The entry block holds variables only, so that each is made once.
        entry = self.function.append_basic_block()
        start = self.function.append_basic_block()
        self.builder = ir.IRBuilder(entry)
        self.builder.branch(start)
        self.builder.position_at_end(start)

    def finish(self) -> ir.Function:
        """End the function."""
        self.builder.ret_void()
        return self.function

    def integer(self, value: Any) -> Value:
        """Return an integer."""
        return value if isinstance(value, Value) else Value(self, INDEX(value))

    def like(self, value: Any, other: Value) -> Value:
        """Return `value` as a constant of the other's type, unless it is a value already."""
        if isinstance(value, Value):
            return value
        kind = other.ir.type
        if isinstance(kind, ir.VectorType):
            return Value(self, ir.Constant(kind, [kind.element(value)] * kind.count))
        return Value(self, kind(value))

    def constant(self, value: float) -> Value:
        """Return a vector of one number."""
        return Value(self, ir.Constant(self.real.vector, [self.real.scalar(value)] * self.lanes))

    @property
    def lanes(self) -> int:
        return self.real.lanes

    def lane(self, vector: Value, index: int) -> Value:
        """Return one scalar of a vector."""
        return Value(self, self.builder.extract_element(vector.ir, ir.IntType(32)(index)))

    def shuffle(self, a: Value, b: Value, chosen: Sequence[int]) -> Value:
        """Return a vector of chosen lanes of a, and of b, which are numbered on."""
        number = ir.IntType(32)
        mask = ir.Constant(ir.VectorType(number, self.lanes), list(chosen))
        return Value(self, self.builder.shuffle_vector(a.ir, b.ir, mask))

    def splat(self, scalar: Value) -> Value:
        """Return a vector of one scalar."""
        undefined = ir.Constant(self.real.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar.ir, ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return Value(self, self.builder.shuffle_vector(first, undefined, mask))

    def fma(self, a: Value, b: Any, c: Any) -> Value:
        """Return a * b + c, in one instruction where the processor has it."""
        suffix = f"v{self.lanes}f{8 * self.real.size}"
        name = f"llvm.fmuladd.{suffix}"
        kind = self.real.vector
        function = self.module.globals.get(name)
        if function is None:
            function = ir.Function(self.module, ir.FunctionType(kind, [kind] * 3), name)
        arguments = [a.ir, self.like(b, a).ir, self.like(c, a).ir]
        return Value(self, self.builder.call(function, arguments))

    def where(self, condition: Value, a: Any, b: Any) -> Value:
        """Choose lane by lane."""
        known = a if isinstance(a, Value) else b
        a, b = self.like(a, known), self.like(b, known)
        return Value(self, self.builder.select(condition.ir, a.ir, b.ir))

    def as_bits(self, value: Value) -> Value:
        """Look at a vector's bits as integers."""
        return Value(self, self.builder.bitcast(value.ir, self.real.bits))

    def as_real(self, value: Value) -> Value:
        """Look at integers as a vector's bits."""
        return Value(self, self.builder.bitcast(value.ir, self.real.vector))

    def bitwise(self, name: str, a: Value, b: int) -> Value:
        """Write and_, or_, shl or add of the bits of a vector and a constant."""
        word = ir.IntType(8 * self.real.size)
        constant = ir.Constant(self.real.bits, [word(b)] * self.lanes)
        return Value(self, getattr(self.builder, name)(a.ir, constant))

    def or_bits(self, a: Value, b: Value) -> Value:
        """Join the bits of two vectors."""
        return Value(self, self.builder.or_(a.ir, b.ir))

    def real_number(self, integer: Value) -> Value:
        """Return an integer as a number."""
        return Value(self, self.builder.sitofp(integer.ir, self.real.scalar))

    def reals(self, value: ir.Value) -> Pointer:
        """Take an address for that of numbers."""
        return Pointer(self, value, self.real.scalar)

    def indices(self, value: ir.Value) -> Pointer:
        """Take an address for that of integers."""
        return Pointer(self, value, INDEX)

    def call(self, function: ir.Function, *arguments: Any) -> None:
        """Call another function of the module."""
        self.builder.call(
            function, [a.ir if not isinstance(a, int) else INDEX(a) for a in arguments]
        )

    @contextmanager
    def loop(self, stop: Any, start: Any = 0, step: int = 1) -> Iterator[Value]:
        """Run what is written inside for each index from start up to stop."""
        stop = self.integer(stop)
        index = Variable(self, self.integer(start))
        with self.repeat(lambda: index.get().compare("<", stop)):
            yield index.get()
            index.set(index.get() + step)

    @contextmanager
    def repeat(self, condition: Callable[[], Value]) -> Iterator[None]:
        """Run what is written inside while the condition holds."""
        builder = self.builder
        test, body, done = (self.function.append_basic_block() for _ in range(3))
        builder.branch(test)
        builder.position_at_end(test)
        builder.cbranch(condition().ir, body, done)
        builder.position_at_end(body)
        yield
        builder.branch(test)
        builder.position_at_end(done)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Run what is written inside if the condition holds."""
        with self.builder.if_then(condition.ir):
            yield

    @contextmanager
    def otherwise(self, condition: Value) -> Iterator[tuple[Any, Any]]:
        """Give the two branches of a condition, as contexts."""
        with self.builder.if_else(condition.ir) as branches:
            yield branches

    def exists(self, pointer: Pointer) -> Value:
        """Tell whether an address is not null."""
        address = self.builder.ptrtoint(pointer.ir, INDEX)
        return Value(self, self.builder.icmp_signed("!=", address, INDEX(0)))


class Fields(ctypes.Structure):
    """What a call is given: integers of 64 bits, addresses among them, by name on both sides.

    Subclasses say their names in ``_fields_``, made by :func:`fields`.
    """


def fields(*names: str) -> list[tuple[str, Any]]:
    """Return the members of a structure of :class:`Fields`."""
    return [(name, ctypes.c_int64) for name in names]


class Given:
    """The fields of a call within its function, whose only argument is their address."""

    def __init__(self, code: Code, kind: type[Fields]) -> None:
        self.code = code
        start = code.indices(code.function.args[0])
        self._values = {name: (start + i).load() for i, (name, _) in enumerate(kind._fields_)}  # type: ignore[misc]

    def number(self, name: str) -> Value:
        """Return a field as an integer."""
        return self._values[name]

    def reals(self, name: str) -> Pointer:
        """Return the array of numbers that a field points to."""
        return self.code.reals(self.code.builder.inttoptr(self._values[name].ir, POINTER))

    def indices(self, name: str) -> Pointer:
        """Return the array of integers that a field points to."""
        return self.code.indices(self.code.builder.inttoptr(self._values[name].ir, POINTER))


# Exponential, sigmoid and hyperbolic tangent of vectors, exact to a few units in the last place.
# All rest on e^y = 2^n e^f with n = round(y / ln 2) and |f| <= ln(2) / 2, where the Taylor series
# of e^f - 1 is as exact as the type after 7 terms, or 13 in double precision.


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


#: Vectors in a panel, the columns of B that stand together when it is packed.
PANEL = 3


def _tile(
    code: Code,
    rows: int,
    vectors: int,
    depth: Value,
    left: tuple[Pointer, Value, Value],
    right: tuple[Pointer, Value],
    begin: tuple[Pointer, Value],
    to: tuple[Pointer, Value],
) -> None:
    """Write the product of one tile: `rows` rows by `vectors` vectors."""
    (a, a_row, a_k), (b, b_k), (start, start_row), (c, c_row) = left, right, begin, to
    lefts = [a + a_row * m for m in range(rows)]
    sums = [
        [
            Variable(code, (start + (start_row * m + v * code.lanes)).load(True))
            for v in range(vectors)
        ]
        for m in range(rows)
    ]
    with code.loop(depth) as k:
        row = b + k * b_k
        columns = [(row + v * code.lanes).load(True) for v in range(vectors)]
        at = k * a_k
        for line_start, line in zip(lefts, sums, strict=True):
            scalar = code.splat((line_start + at).load())
            for total, column in zip(line, columns, strict=True):
                total.set(code.fma(scalar, column, total.get()))
    for m, line in enumerate(sums):
        for v, total in enumerate(line):
            (c + (c_row * m + v * code.lanes)).store(total.get())


def product(module: ir.Module, real: Real) -> ir.Function:
    """Write ``product(M, N, K, A, a_row, a_k, B, b_panel, b_k, I, i_row, C, c_row)``.

    C (M, N vectors) = I + A B with A (M, K) and B (K, N vectors). Element (m, k) of A stands at
    A + m a_row + k a_k, panel p of B's row k at B + p b_panel + k b_k; I and C are rows of vectors,
    i_row = 0 repeats one. I and C may be the same.
    """
    kinds = [INDEX, INDEX, INDEX, POINTER, INDEX, INDEX, POINTER, INDEX, INDEX]
    code = Code(module, real, "product", [*kinds, POINTER, INDEX, POINTER, INDEX])
    given = code.function.args
    m, n, depth, a_row, a_k = (Value(code, given[i]) for i in (0, 1, 2, 4, 5))
    b_panel, b_k, start_row, c_row = (Value(code, given[i]) for i in (7, 8, 10, 12))
    a, b, start, c = (code.reals(given[i]) for i in (3, 6, 9, 11))
    # What is left of whole tiles is one tile more, and not several lower ones: rows that end one
    # after the other leave something at nearly every step.
    heights = range(8 if real.registers >= 32 else 4, 0, -1)

    def go_down(right: Pointer, column: Value, row: Variable, height: int, vectors: int) -> None:
        """Take as many tiles of `height` rows as there are rows left for."""
        with code.repeat(lambda: (row.get() + height).compare("<=", m)):
            at = row.get()
            left = (a + at * a_row, a_row, a_k)
            begin = (start + at * start_row + column, start_row)
            to = (c + at * c_row + column, c_row)
            _tile(code, height, vectors, depth, left, (right, b_k), begin, to)
            row.set(at + height)

    def panel(index: Value, vectors: int) -> None:
        """Go down the rows of one panel."""
        right = b + index * b_panel
        column = index * (PANEL * real.lanes)
        row = Variable(code, code.integer(0))
        for height in heights:
            go_down(right, column, row, height, vectors)

    full = n / PANEL
    with code.loop(full) as index:
        panel(index, PANEL)
    rest = n % PANEL
    for vectors in range(1, PANEL):
        with code.when(rest.compare("==", vectors)):
            panel(full, vectors)
    return code.finish()


def pack(module: ir.Module, real: Real, copy: ir.Function) -> ir.Function:
    """Write ``pack(source, rows, columns, target, K, k0)``.

    Puts a matrix, (rows, columns) in memory, into panels of a right operand with K rows, at row k0.
    """
    kinds = [POINTER, INDEX, INDEX, POINTER, INDEX, INDEX]
    code = Code(module, real, "pack", kinds)
    source, target = (code.reals(code.function.args[i]) for i in (0, 3))
    rows, columns, depth, k0 = (Value(code, code.function.args[i]) for i in (1, 2, 4, 5))
    width = PANEL * real.lanes
    whole = columns / width * width
    with code.loop(rows) as i:
        line, to = source + i * columns, target + (k0 + i) * width
        with code.loop(whole, step=width) as j:
            code.call(copy, to + j * depth, line + j, width)
        code.call(copy, to + whole * depth, line + whole, columns - whole)
    return code.finish()


def _transposed(code: Code, lines: list[Value]) -> list[Value]:
    """Transpose as many vectors as each has lanes."""
    lanes, lines, apart = code.lanes, list(lines), 1
    while apart < lanes:
        # Of each pair of lines, the blocks off the diagonal change places.
        first = [e if not e & apart else lanes + e - apart for e in range(lanes)]
        second = [e + apart if not e & apart else lanes + e for e in range(lanes)]
        for i in range(lanes):
            if not i & apart:
                a, b = lines[i], lines[i + apart]
                lines[i], lines[i + apart] = code.shuffle(a, b, first), code.shuffle(a, b, second)
        apart *= 2
    return lines


def pack_across(module: ir.Module, real: Real) -> ir.Function:
    """Write ``pack_across(source, rows, columns, target, n0)``.

    Puts a matrix, (rows, columns) in memory, transposed into panels of a right operand with
    `columns` rows, at column n0, a multiple of the lanes.
    """
    code = Code(module, real, "pack_across", [POINTER, INDEX, INDEX, POINTER, INDEX])
    source, target = (code.reals(code.function.args[i]) for i in (0, 3))
    rows, columns, n0 = (Value(code, code.function.args[i]) for i in (1, 2, 4))
    lanes, width = real.lanes, PANEL * real.lanes

    def place(n: Value) -> Pointer:
        return target + (n / width) * columns * width + n % width

    def one_by_one(row: Value, start: Value) -> None:
        line, to = source + row * columns, place(n0 + row)
        with code.loop(columns, start=start) as j:
            (to + j * width).store((line + j).load())

    whole, across = rows / lanes * lanes, columns / lanes * lanes
    with code.loop(whole, step=lanes) as i:
        to = place(n0 + i)
        with code.loop(across, step=lanes) as j:
            lines = [(source + ((i + k) * columns + j)).load(True) for k in range(lanes)]
            for k, line in enumerate(_transposed(code, lines)):
                (to + (j + k) * width).store(line)
        with code.loop(lanes) as m:
            one_by_one(i + m, across)
    with code.loop(rows, start=whole) as i:
        one_by_one(i, code.integer(0))
    return code.finish()


def unpack(module: ir.Module, real: Real) -> ir.Function:
    """Write ``unpack(source, rows, width, columns, target)``, which transposes.

    source (rows, columns) stands in memory with `width` numbers to a row; target (columns, rows)
    without gaps.
    """
    code = Code(module, real, "unpack", [POINTER, INDEX, INDEX, INDEX, POINTER])
    source, target = (code.reals(code.function.args[i]) for i in (0, 4))
    rows, width, columns = (Value(code, code.function.args[i]) for i in (1, 2, 3))
    whole = columns / code.lanes * code.lanes
    # A vector at a time, so that a line of the source is read once.
    with code.loop(whole, step=code.lanes) as j, code.loop(rows) as i:
        vector = (source + (i * width + j)).load(True)
        for lane in range(code.lanes):
            (target + ((j + lane) * rows + i)).store(code.lane(vector, lane))
    with code.loop(columns, start=whole) as j, code.loop(rows) as i:
        (target + (j * rows + i)).store((source + (i * width + j)).load())
    return code.finish()


def copy(module: ir.Module, real: Real, add: bool) -> ir.Function:
    """Write ``copy(to, from, n)``: copy n numbers, or add them if `add`."""
    code = Code(module, real, "add_row" if add else "copy_row", [POINTER, POINTER, INDEX])
    to, source = (code.reals(code.function.args[i]) for i in (0, 1))
    n = Value(code, code.function.args[2])
    whole = n / real.lanes * real.lanes
    with code.loop(whole, step=real.lanes) as j:
        value = (source + j).load(True)
        (to + j).store((to + j).load(True) + value if add else value)
    with code.loop(n, start=whole) as j:
        value = (source + j).load()
        (to + j).store((to + j).load() + value if add else value)
    return code.finish()


def clear(module: ir.Module, real: Real) -> ir.Function:
    """Write ``clear(to, n)``: set n numbers to zero; n is a multiple of the lanes."""
    code = Code(module, real, "clear", [POINTER, INDEX])
    to = code.reals(code.function.args[0])
    zero = code.constant(0.0)
    with code.loop(Value(code, code.function.args[1]), step=real.lanes) as j:
        (to + j).store(zero)
    return code.finish()


Vectors = list[Value]


class Step(NamedTuple):
    """What a step gives: the new h (and c), and what is kept of it."""

    state: Vectors
    kept: Vectors


class Back(NamedTuple):
    """What the way back gives: gradients at the gates, and straight at the states before."""

    grads: Vectors
    state: Vectors


@dataclass(frozen=True)
class Cell:
    """A cell's layout and formulas.

    forward(code, x, u, state): gates' shares x and u, and the states before.
    backward(code, kept, h_before, grads): gradients at the new states. Where nothing is kept, it
    is given the new h.
    Without `h_gates` there is no share of the state's, and no product with it.
    With `second`, the state's share of the gates in it is a product with r * h rather than h, and
    the step is in two parts: see GRU_RESET_BEFORE.
    """

    x_gates: tuple[int, ...]
    h_gates: tuple[int, ...]
    h_first: int
    n_grads: int
    n_kept: int
    forward: Callable[[Code, Vectors, Vectors, Vectors], Step]
    backward: Callable[[Code, Vectors, Value, Vectors], Back]
    n_states: int = 1
    second: int | None = None


def _simple(
    function: Callable[[Code, Value], Value], slope: Callable[[Code, Value], Value]
) -> Cell:
    """Make h = phi(x + u), phi's slope known from its value."""

    def forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
        h = function(code, x[0] + u[0])
        return Step([h], [])

    def backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
        return Back([grads[0] * slope(code, kept[0])], [code.constant(0.0)])

    return Cell((0,), (0,), 0, 1, 0, forward, backward)


def _relu_slope(code: Code, h: Value) -> Value:
    return code.where(h.compare(">", 0.0), code.constant(1.0), 0.0)


def _gru_forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    """Take x = (n, r, z) and u = (r, z, n)."""
    r, z = sigmoid(code, x[1] + u[0]), sigmoid(code, x[2] + u[1])
    n = tanh(code, code.fma(r, u[2], x[0]))
    h = code.fma(z, state[0] - n, n)
    return Step([h], [n, r, z, u[2]])


def _gru_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    (n, r, z, u), (dh,) = kept, grads
    dn = dh * (1.0 - z) * (1.0 - n * n)
    dz = dh * (before - n) * z * (1.0 - z)
    dr = dn * u * r * (1.0 - r)
    return Back([dn, dr, dz, dn * r], [dh * z])


def _reset_first(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    """First part: the gates from x = (n, r, z) and u = (r, z), and r * h for the product."""
    r, z = sigmoid(code, x[1] + u[0]), sigmoid(code, x[2] + u[1])
    return Step([r * state[0]], [r, z])


def reset_second(code: Code, x: Value, u: Value, z: Value, h: Value) -> Step:
    """Second part: the candidate, and the new state."""
    n = tanh(code, x + u)
    return Step([code.fma(z, n - h, h)], [n])


def _reset_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    """First part of the way back: the gradients at the candidate and at z."""
    (n, _, z), (dh,) = kept, grads
    dn = dh * z * (1.0 - n * n)
    dz = dh * (n - before) * z * (1.0 - z)
    return Back([dn, dz], [dh * (1.0 - z)])


def reset_backward_second(code: Code, r: Value, before: Value, dh: Value, into: Value) -> Back:
    """Second part: `into` is the gradient at r * h."""
    return Back([into * before * r * (1.0 - r)], [code.fma(into, r, dh)])


def _lstm_forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    i, f = sigmoid(code, x[0] + u[0]), sigmoid(code, x[1] + u[1])
    g, o = tanh(code, x[2] + u[2]), sigmoid(code, x[3] + u[3])
    c = code.fma(f, state[1], i * g)
    return Step([o * tanh(code, c), c], [i, f, g, o, state[1]])


def _lstm_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    (i, f, g, o, c), (dh, dc) = kept, grads
    t = tanh(code, code.fma(f, c, i * g))
    dc = code.fma(dh * o, 1.0 - t * t, dc)
    di, df = dc * g * i * (1.0 - i), dc * c * f * (1.0 - f)
    dg, do = dc * i * (1.0 - g * g), dh * t * o * (1.0 - o)
    return Back([di, df, dg, do], [code.constant(0.0), dc * f])


def _cifg_forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    i, o = sigmoid(code, x[0] + u[0]), sigmoid(code, x[1] + u[1])
    g = tanh(code, x[2] + u[2])
    c = code.fma(i, g - state[1], state[1])
    return Step([o * tanh(code, c), c], [i, o, g, state[1]])


def _cifg_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    (i, o, g, c), (dh, dc) = kept, grads
    t = tanh(code, code.fma(i, g - c, c))
    dc = code.fma(dh * o, 1.0 - t * t, dc)
    di, dg = dc * (g - c) * i * (1.0 - i), dc * i * (1.0 - g * g)
    return Back([di, dh * t * o * (1.0 - o), dg], [code.constant(0.0), dc * (1.0 - i)])


def _candidate(code: Code, v: Value) -> Value:
    """Return v + 1/2 above zero, sigmoid(v) below."""
    return code.where(v.compare("<", 0.0), sigmoid(code, v), v + 0.5)


def _candidate_slope(code: Code, p: Value) -> Value:
    """Return the slope of the candidate's map where its value is p."""
    return code.where(p.compare("<", 0.5), p * (1.0 - p), 1.0)


def _mingru_forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    z, p = sigmoid(code, x[0]), _candidate(code, x[1])
    return Step([code.fma(z, p - state[0], state[0])], [z, p])


def _mingru_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    (z, p), (dh,) = kept, grads
    rest = dh * (1.0 - z)
    dp = dh * z * _candidate_slope(code, p)
    return Back([rest * z * (p - before), dp], [rest])


def _minlstm_forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    """Take f : i as (e + e^-i) : (e + e^-f), both times the same, so that neither overflows."""
    f, i = x[0], x[1]
    least = code.where(f.compare("<", i), f, i)
    least = code.where(least.compare(">", 0.0), 0.0, least)
    one = exponential(code, least)
    no_f, no_i = exponential(code, least - f), exponential(code, least - i)
    of_f, of_i = one + no_i, one + no_f
    share = of_i / (of_f + of_i)
    p = _candidate(code, x[2])
    h = code.fma(share, p - state[0], state[0])
    return Step([h], [share, no_f / of_i, no_i / of_f, p])


def _minlstm_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    (share, no_f, no_i, p), (dh,) = kept, grads
    rest = dh * (1.0 - share)
    to_share = rest * share * (p - before)
    dp = dh * share * _candidate_slope(code, p)
    return Back([0.0 - to_share * no_f, to_share * no_i, dp], [rest])


CELLS: dict[str, Cell] = {
    "rnn_tanh": _simple(tanh, lambda code, h: 1.0 - h * h),
    "rnn_relu": _simple(relu, _relu_slope),
    "rnn_sigmoid": _simple(sigmoid, lambda code, h: h * (1.0 - h)),
    "gru": Cell((2, 0, 1), (0, 1, 2), 1, 4, 4, _gru_forward, _gru_backward),
    # Kept n, r, z; gradients in the order n, r, z as well.
    "gru_reset_before": Cell((2, 0, 1), (0, 1), 1, 3, 3, _reset_first, _reset_backward, second=2),
    "lstm": Cell((0, 1, 2, 3), (0, 1, 2, 3), 0, 4, 5, _lstm_forward, _lstm_backward, 2),
    # Taken in the order i, o, g; torch-like weights stand in the order i, g, o.
    "cifg": Cell((0, 2, 1), (0, 2, 1), 0, 3, 4, _cifg_forward, _cifg_backward, 2),
    # The gates of these see no state.
    "mingru": Cell((0, 1), (), 0, 2, 2, _mingru_forward, _mingru_backward),
    "minlstm": Cell((0, 1, 2), (), 0, 3, 4, _minlstm_forward, _minlstm_backward),
}
