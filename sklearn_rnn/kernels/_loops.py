"""The two exported kernels, forward and backward through time, for a block of rows. No torch.

Rows are sorted by length, the longest first, so that those still going at a step are the first
`n`; nothing is done for padding, and nothing of it is read. A row that runs in reverse starts at
its own last step. Work on many (step, row) pairs at once is batched up to `capacity` of them: the
inputs' share of the gates on the way forward, the weights' gradients on the way back.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from ._builder import (
    PANEL,
    POINTER,
    Cell,
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
    pack,
    pack_across,
    product,
    reset_backward_second,
    reset_second,
    unpack,
)


class CellFields(Fields):
    """What a call of a cell's kernels is given; every shard of a batch has its own."""

    _fields_ = fields(
        # Sizes: rows of the block, input channels C, units H, H rounded up to lanes, capacity.
        *("rows", "channels", "units", "padded", "capacity", "reverse"),
        # For each row: its place in the batch, and its steps.
        *("place", "lengths"),
        # (B, T, C) and (B, T, H) by strides in numbers; (B, H) without gaps, or null.
        *("x", "x_row", "x_step", "out", "out_row", "out_step"),
        *("h_start", "c_start", "h_end", "c_end"),
        # Weights as torch has them, and packed.
        *("w", "u", "b_w", "b_u", "w_packed", "u_packed", "second_packed", "b_packed", "h_packed"),
        # kept: (steps, n_kept * padded), or null; a work area for each block.
        *("kept", "gathered", "shares", "gates", "h", "c", "reset"),
        # Backward: incoming gradients, outgoing ones, work areas.
        *("d_out", "d_out_row", "d_out_step", "d_h_end", "d_c_end"),
        *("d_x", "d_x_row", "d_x_step", "d_h_start", "d_c_start", "d_w", "d_u", "d_b"),
        *("u_back", "second_back", "w_back", "before", "now", "d_gates"),
        *("d_x_rows", "addresses", "one"),
        # The weights' gradients as torch has them.
        *("to_w", "to_u", "to_b_w", "to_b_u"),
    )


class _Kernel:
    """One cell's two kernels, being written into a module."""

    def __init__(self, module: ir.Module, real: Real, cell: Cell) -> None:
        self.module, self.real, self.cell = module, real, cell
        self.product = product(module, real)
        self.copy, self.add = copy(module, real, False), copy(module, real, True)
        self.pack, self.pack_across = pack(module, real, self.copy), pack_across(module, real)
        self.clear, self.unpack = clear(module, real), unpack(module, real)

    def open(self, name: str) -> Code:
        """Begin an exported function of one argument, the address of the fields."""
        self.code = Code(self.module, self.real, name, [POINTER], exported=True)
        given = Given(self.code, CellFields)
        self.number, self.at, self.indices = given.number, given.reals, given.indices
        return self.code

    def multiply(
        self,
        m: Value,
        n: Value,
        k: Value,
        left: tuple[Pointer, Value | int, Value | int],
        right: tuple[Pointer, Value | int, Value | int],
        start: tuple[Pointer, Value | int],
        to: tuple[Pointer, Value | int],
    ) -> None:
        """Write a product; see :func:`product`."""
        vectors = n / self.code.lanes
        self.code.call(self.product, m, vectors, k, *left, *right, *start, *to)

    def panels(self, packed: Pointer, depth: Value) -> tuple[Pointer, Value, int]:
        """Describe a packed right operand."""
        width = PANEL * self.code.lanes
        return packed, depth * width, width

    def shrink(self, n: Variable, step: Value) -> None:
        """Drop the rows that have ended before `step`."""
        lengths, code = self.indices("lengths"), self.code

        def ended() -> Value:
            # Of n = 0 rows none is asked: entry -1 is a length no step reaches.
            return (lengths + (n.get() - 1)).load().compare("<=", step)

        with code.repeat(ended):
            n.set(n.get() - 1)

    def moment(self, row: Value, step: Value) -> Value:
        """Return where in time a row's step stands."""
        last = (self.indices("lengths") + row).load() - 1
        reverse = self.number("reverse")
        # step, or last - step in reverse.
        return step + reverse * (last - step - step)

    def vectors(self, base: Pointer, count: int, j: Value) -> list[Value]:
        """Load vector j of each of `count` groups of units."""
        padded = self.number("padded")
        return [(base + (padded * g + j)).load(True) for g in range(count)]

    def load_state(self, name: str, to: Pointer, row: Value, place: Value) -> None:
        """Fill a row of a work area from (B, H), or with zeros."""
        code, units, padded = self.code, self.number("units"), self.number("padded")
        target, source = to + row * padded, self.at(name)
        code.call(self.clear, target, padded)
        with code.when(code.exists(source)):
            code.call(self.copy, target, source + place * units, units)

    def save_state(self, name: str, source: Pointer, row: Value, place: Value) -> None:
        """Write a row of a work area to (B, H), if it is asked for."""
        code, units, padded = self.code, self.number("units"), self.number("padded")
        target = self.at(name)
        with code.when(code.exists(target)):
            code.call(self.copy, target + place * units, source + row * padded, units)

    # ------------------------------------------------------------------ packing

    def pack_forward(self) -> None:
        """Write the packing of the weights for the way forward."""
        code, cell = self.open("pack_forward"), self.cell
        units, channels, padded = (self.number(n) for n in ("units", "channels", "padded"))
        groups = [("w", channels, "w_packed", cell.x_gates), ("u", units, "u_packed", cell.h_gates)]
        if cell.second is not None:
            groups.append(("u", units, "second_packed", (cell.second,)))
        for source, columns, target, gates in groups:
            for place, gate in enumerate(gates):
                start = self.at(source) + units * columns * gate
                code.call(self.pack_across, start, units, columns, self.at(target), padded * place)
        for source, target, gates in (
            ("b_w", "b_packed", cell.x_gates), ("b_u", "h_packed", cell.h_gates)
        ):  # fmt: skip
            bias = self.at(source)
            with code.when(code.exists(bias)):
                for place, gate in enumerate(gates):
                    to = self.at(target) + padded * place
                    code.call(self.copy, to, bias + units * gate, units)
        code.finish()

    def pack_backward(self) -> None:
        """Write the packing of the weights for the way back."""
        code, cell = self.open("pack_backward"), self.cell
        units, channels, padded = (self.number(n) for n in ("units", "channels", "padded"))
        groups = [("w", channels, "w_back", cell.x_gates), ("u", units, "u_back", cell.h_gates)]
        if cell.second is not None:
            groups.append(("u", units, "second_back", (cell.second,)))
        for source, columns, name, gates in groups:
            target = self.at(name)
            with code.when(code.exists(target)):
                depth = padded * len(gates)
                for place, gate in enumerate(gates):
                    start = self.at(source) + units * columns * gate
                    code.call(self.pack, start, units, columns, target, depth, padded * place)
        code.finish()

    def unpack_grads(self) -> None:
        """Write the weights' gradients, summed as they are, into torch's layout."""
        code, cell = self.open("unpack_grads"), self.cell
        units, channels, padded = (self.number(n) for n in ("units", "channels", "padded"))
        for place, gate in enumerate(cell.x_gates):
            source, target = self.at("d_w") + padded * place, self.at("to_w")
            target += units * channels * gate
            width = padded * len(cell.x_gates)
            code.call(self.unpack, source, channels, width, units, target)
        n_gates = len(cell.h_gates) + (cell.second is not None)
        target = self.at("to_u")
        with code.when(code.exists(target)), code.loop(units * n_gates) as i:
            code.call(self.copy, target + i * units, self.at("d_u") + i * padded, units)
        for to, first, gates in (
            ("to_b_w", 0, cell.x_gates),
            ("to_b_u", cell.h_first, cell.h_gates),
        ):
            bias = self.at(to)
            with code.when(code.exists(bias)):
                for place, gate in enumerate(gates, first):
                    source = self.at("d_b") + padded * place
                    code.call(self.copy, bias + units * gate, source, units)
        code.finish()

    # ------------------------------------------------------------------ forward

    def forward(self) -> None:
        """Write the way forward."""
        code, cell = self.open("forward"), self.cell
        rows, channels, padded = (self.number(n) for n in ("rows", "channels", "padded"))
        h, c = self.at("h"), self.at("c")
        with code.loop(rows) as i:
            place = (self.indices("place") + i).load()
            self.load_state("h_start", h, i, place)
            if cell.n_states == 2:
                self.load_state("c_start", c, i, place)
        n = Variable(code, rows)
        step = Variable(code, code.integer(0))
        kept_rows = Variable(code, code.integer(0))
        self.shrink(n, step.get())
        with code.repeat(lambda: n.get().compare(">", 0)):
            # Gather the inputs of as many steps as fit, and take their share of the gates.
            ahead, count, filled = (Variable(code, v) for v in (step.get(), n.get(), step.get()))
            filled.set(0)

            def fits() -> Value:
                room = (filled.get() + count.get()).compare("<=", self.number("capacity"))
                going = count.get().compare(">", 0)
                return Value(code, code.builder.and_(room.ir, going.ir))

            with code.repeat(fits):
                self._gather_inputs(ahead.get(), count.get(), filled.get())
                filled.set(filled.get() + count.get())
                ahead.set(ahead.get() + 1)
                self.shrink(count, ahead.get())
            width = padded * len(cell.x_gates)
            self.multiply(
                filled.get(), width, channels,
                (self.at("gathered"), channels, 1),
                self.panels(self.at("w_packed"), channels),
                (self.at("b_packed"), 0),
                (self.at("shares"), width),
            )  # fmt: skip
            end = ahead.get()
            done = Variable(code, code.integer(0))
            with code.repeat(lambda: step.get().compare("<", end)):
                shares = self.at("shares") + done.get() * width
                self._step(step.get(), n.get(), shares, kept_rows.get())
                done.set(done.get() + n.get())
                kept_rows.set(kept_rows.get() + n.get())
                step.set(step.get() + 1)
                self.shrink(n, step.get())
        with code.loop(rows) as i:
            place = (self.indices("place") + i).load()
            self.save_state("h_end", h, i, place)
            if cell.n_states == 2:
                self.save_state("c_end", c, i, place)
        code.finish()

    def _gather_inputs(self, step: Value, count: Value, filled: Value) -> None:
        """Copy the rows' inputs at a step into the work area."""
        code, channels = self.code, self.number("channels")
        with code.loop(count) as i:
            place = (self.indices("place") + i).load()
            moment = self.moment(i, step)
            source = self.at("x") + place * self.number("x_row") + moment * self.number("x_step")
            code.call(self.copy, self.at("gathered") + (filled + i) * channels, source, channels)

    def _state_share(self, m: Value, left: Pointer, packed: str, gates: int) -> None:
        """Multiply m rows of states by the recurrent weights into the work area of gates."""
        padded, units = self.number("padded"), self.number("units")
        start = self.at("h_packed")
        width = padded * gates
        right = self.panels(self.at(packed), units)
        self.multiply(
            m, width, units, (left, padded, 1), right, (start, 0), (self.at("gates"), width)
        )

    def _step(self, step: Value, n: Value, shares: Pointer, kept_rows: Value) -> None:
        """Advance the first n rows by one step."""
        code, cell, padded = self.code, self.cell, self.number("padded")
        kept, gates, h, c = self.at("kept"), self.at("gates"), self.at("h"), self.at("c")
        keeps = code.exists(kept)
        n_x, n_h = len(cell.x_gates), len(cell.h_gates)
        states = [h, c][: cell.n_states]
        if n_h:
            self._state_share(n, h, "u_packed", n_h)
        with code.loop(n) as i:
            x_row, u_row = shares + i * padded * n_x, gates + i * padded * n_h
            kept_row = kept + (kept_rows + i) * padded * cell.n_kept
            with code.loop(padded, step=code.lanes) as j:
                at = i * padded + j
                before = [(state + at).load(True) for state in states]
                x, u = self.vectors(x_row, n_x, j), self.vectors(u_row, n_h, j)
                result = cell.forward(code, x, u, before)
                if cell.second is None:
                    for state, value in zip(states, result.state, strict=True):
                        (state + at).store(value)
                    with code.when(keeps):
                        self._keep(kept_row, j, result.kept)
                else:
                    (self.at("reset") + at).store(result.state[0])
                    # z is needed again: it takes the place of its share.
                    (x_row + (padded * 2 + j)).store(result.kept[1])
                    with code.when(keeps):
                        self._keep(kept_row, j, result.kept, first=1)
        if cell.second is not None:
            self._second_step(n, shares, kept_rows)
        with code.loop(n) as i:
            place = (self.indices("place") + i).load()
            moment = self.moment(i, step)
            to = self.at("out") + place * self.number("out_row") + moment * self.number("out_step")
            code.call(self.copy, to, h + i * padded, self.number("units"))

    def _second_step(self, n: Value, shares: Pointer, kept_rows: Value) -> None:
        """Take the candidate from r * h, and the new state."""
        code, cell, padded = self.code, self.cell, self.number("padded")
        kept, gates, h = self.at("kept"), self.at("gates"), self.at("h")
        self._state_share(n, self.at("reset"), "second_packed", 1)
        with code.loop(n) as i:
            x_row = shares + i * padded * len(cell.x_gates)
            kept_row = kept + (kept_rows + i) * padded * cell.n_kept
            with code.loop(padded, step=code.lanes) as j:
                at = i * padded + j
                z, u = (x_row + (padded * 2 + j)).load(True), (gates + at).load(True)
                result = reset_second(code, (x_row + j).load(True), u, z, (h + at).load(True))
                (h + at).store(result.state[0])
                with code.when(code.exists(kept)):
                    self._keep(kept_row, j, result.kept)

    def _keep(self, row: Pointer, j: Value, values: Sequence[Value], first: int = 0) -> None:
        """Keep vectors of a step for the way back."""
        for group, value in enumerate(values, first):
            (row + (self.number("padded") * group + j)).store(value)

    # ------------------------------------------------------------------ backward

    def backward(self) -> None:
        """Write the way back."""
        code, cell = self.open("backward"), self.cell
        rows = self.number("rows")
        h, c, lengths = self.at("h"), self.at("c"), self.indices("lengths")
        total = Variable(code, code.integer(0))
        with code.loop(rows) as i:
            place = (self.indices("place") + i).load()
            self.load_state("d_h_end", h, i, place)
            if cell.n_states == 2:
                self.load_state("d_c_end", c, i, place)
            total.set(total.get() + (lengths + i).load())
        step = Variable(code, lengths.load())
        n = Variable(code, code.integer(0))
        filled = Variable(code, code.integer(0))
        with code.repeat(lambda: step.get().compare(">", 0)):
            step.set(step.get() - 1)
            # Rows whose last step this is join; entry `rows` is a length no step is below.
            with code.repeat(lambda: (lengths + n.get()).load().compare(">", step.get())):
                n.set(n.get() + 1)
            total.set(total.get() - n.get())
            with code.when((filled.get() + n.get()).compare(">", self.number("capacity"))):
                self._flush(filled.get())
                filled.set(0)
            self._step_back(step.get(), n.get(), filled.get(), total.get())
            filled.set(filled.get() + n.get())
        self._flush(filled.get())
        with code.loop(rows) as i:
            place = (self.indices("place") + i).load()
            self.save_state("d_h_start", h, i, place)
            if cell.n_states == 2:
                self.save_state("d_c_start", c, i, place)
        code.finish()

    def _gather_back(self, step: Value, n: Value, filled: Value) -> None:
        """Bring what a step back needs of the batch into the work areas."""
        code, units, padded = self.code, self.number("units"), self.number("padded")
        channels = self.number("channels")
        out_row, out_step = self.number("out_row"), self.number("out_step")
        with code.loop(n) as i:
            place = (self.indices("place") + i).load()
            moment = self.moment(i, step)
            if not self.cell.n_kept:
                output = self.at("out") + place * out_row + moment * out_step
                code.call(self.copy, self.at("now") + i * padded, output, units)
            d_out = self.at("d_out")
            with code.when(code.exists(d_out)):
                source = d_out + place * self.number("d_out_row")
                source += moment * self.number("d_out_step")
                code.call(self.add, self.at("h") + i * padded, source, units)
            before = self.at("before") + (filled + i) * padded
            with code.otherwise(step.compare(">", 0)) as (later, first):
                with later:
                    earlier = self.moment(i, step - 1)
                    source = self.at("out") + place * out_row + earlier * out_step
                    code.call(self.copy, before, source, units)
                with first:
                    self.load_state("h_start", self.at("before"), filled + i, place)
            source = self.at("x") + place * self.number("x_row") + moment * self.number("x_step")
            code.call(self.copy, self.at("gathered") + (filled + i) * channels, source, channels)
            address = place * self.number("d_x_row") + moment * self.number("d_x_step")
            (self.indices("addresses") + (filled + i)).store(address)

    def _step_back(self, step: Value, n: Value, filled: Value, kept_rows: Value) -> None:
        """Go back one step with the first n rows."""
        code, cell, padded = self.code, self.cell, self.number("padded")
        h, c = self.at("h"), self.at("c")
        self._gather_back(step, n, filled)
        kept = self.at("kept") + kept_rows * padded * cell.n_kept
        d_gates = self.at("d_gates") + filled * padded * cell.n_grads
        before = self.at("before") + filled * padded
        states = [h, c][: cell.n_states]
        width = padded * cell.n_grads
        with code.loop(n) as i:
            kept_row, grads_row = kept + i * padded * cell.n_kept, d_gates + i * width
            with code.loop(padded, step=code.lanes) as j:
                at = i * padded + j
                grads = [(state + at).load(True) for state in states]
                if cell.n_kept:
                    values = self.vectors(kept_row, cell.n_kept, j)
                else:
                    values = [(self.at("now") + at).load(True)]
                result = cell.backward(code, values, (before + at).load(True), grads)
                for state, value in zip(states, result.state, strict=True):
                    (state + at).store(value)
                groups = range(cell.n_grads) if cell.second is None else (0, 2)
                for group, value in zip(groups, result.grads, strict=True):
                    (grads_row + (padded * group + j)).store(value)
        if cell.second is not None:
            self._second_back(n, filled, kept, d_gates, before)
        if not cell.h_gates:
            return
        depth = padded * len(cell.h_gates)
        self.multiply(
            n, padded, depth,
            (d_gates + padded * cell.h_first, width, 1),
            self.panels(self.at("u_back"), depth),
            (h, padded),
            (h, padded),
        )  # fmt: skip

    def _second_back(
        self, n: Value, filled: Value, kept: Pointer, d_gates: Pointer, before: Pointer
    ) -> None:
        """Go back through the product with r * h."""
        code, cell, padded = self.code, self.cell, self.number("padded")
        width, into = padded * cell.n_grads, self.at("gates")
        h, reset = self.at("h"), self.at("reset") + filled * padded
        # h_packed is zeros here: these cells have one bias.
        self.multiply(
            n, padded, padded,
            (d_gates, width, 1),
            self.panels(self.at("second_back"), padded),
            (self.at("h_packed"), 0),
            (into, padded),
        )  # fmt: skip
        with code.loop(n) as i:
            with code.loop(padded, step=code.lanes) as j:
                at = i * padded + j
                r = (kept + (i * padded * cell.n_kept + padded + j)).load(True)
                previous, dh = (before + at).load(True), (h + at).load(True)
                result = reset_backward_second(code, r, previous, dh, (into + at).load(True))
                (h + at).store(result.state[0])
                (d_gates + (i * width + padded + j)).store(result.grads[0])
                (reset + at).store(r * previous)

    def _flush(self, m: Value) -> None:
        """Add what m gathered (step, row) pairs give to the weights' gradients, and d_x."""
        code, cell, padded = self.code, self.cell, self.number("padded")
        channels, units = self.number("channels"), self.number("units")
        d_gates, width = self.at("d_gates"), padded * cell.n_grads
        vectors = PANEL * code.lanes
        # The sums of d_w are (C, gates), because C is often small; those of d_u (gates, H).
        total = (self.at("d_w"), padded * len(cell.x_gates))
        right = (d_gates, vectors, width)
        left = (self.at("gathered"), 1, channels)
        self.multiply(channels, padded * len(cell.x_gates), m, left, right, total, total)
        jobs = [(gate, cell.h_first + i, "before") for i, gate in enumerate(cell.h_gates)]
        if cell.second is not None:
            jobs.append((cell.second, 0, "reset"))
        for gate, place, name in jobs:
            total = (self.at("d_u") + units * padded * gate, padded)
            right = (self.at(name), vectors, padded)
            left = (d_gates + padded * place, 1, width)
            self.multiply(units, padded, m, left, right, total, total)
        biases = (self.at("d_b"), 0)
        one = code.integer(1)
        self.multiply(
            one, width, m, (self.at("one"), 0, 0), (d_gates, vectors, width), biases, biases
        )
        d_x = self.at("d_x")
        with code.when(code.exists(d_x)):
            depth = padded * len(cell.x_gates)
            wide = (channels + (code.lanes - 1)) / code.lanes * code.lanes
            self.multiply(
                m, wide, depth,
                (d_gates, width, 1),
                self.panels(self.at("w_back"), depth),
                (self.at("d_x_rows") + (self.number("capacity") * wide), 0),
                (self.at("d_x_rows"), wide),
            )  # fmt: skip
            with code.loop(m) as i:
                to = d_x + (self.indices("addresses") + i).load()
                code.call(self.copy, to, self.at("d_x_rows") + i * wide, channels)


def write_module(real: Real, cell: Cell, name: str) -> ir.Module:
    """Write a cell's functions: the packing and the loop of each way, and what follows them."""
    module = ir.Module(name)
    kernel = _Kernel(module, real, cell)
    kernel.pack_forward()
    kernel.forward()
    kernel.pack_backward()
    kernel.backward()
    kernel.unpack_grads()
    return module
