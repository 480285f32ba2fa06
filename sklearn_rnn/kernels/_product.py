"""Matrix products, the packing of their right operands, and copies of rows. Imports the builder.

A product C = I + A B runs over tiles of a few rows by PANEL vectors, whose sums stay in registers.
Every sum is taken in the order of k, whatever the tile: what a row gives does not depend on the
rows beside it, to the last bit.
"""

from __future__ import annotations

from llvmlite import ir

from ._builder import INDEX, POINTER, Code, Pointer, Real, Value, Variable

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
