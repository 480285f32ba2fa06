"""A small language over LLVM's: vectors, pointers, loops and functions. Imports llvmlite only.

The kernels are written in it because a compiler left to itself neither keeps a block of sums in
registers nor agrees to vectorise exponentials. A :class:`Code` writes one function; what its
methods return are :class:`Value` (numbers and vectors, with operators) and :class:`Pointer`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
        """Go on by so many scalars."""
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
