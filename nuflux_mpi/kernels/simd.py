"""What numba has no words for, for compiled loops: calls by address, copies, and arithmetic in vector registers.

Addresses are integers, registers hold doubles as they lie in memory, and nothing checks a bound: callers do. Import it only
where numba is in use. A change here compiles all loops anew (`loop_cache.SHARED_SOURCES`).

An @intrinsic is a function that compiled loops call, and that writes LLVM's instructions itself. Its first part, called with
numba's types of the arguments, returns the signature; the second one, `generate`, is called with the values.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic
from numba.np.arrayobj import populate_array


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """numba's decorator, for type checkers too: compiled loops call what it makes without the argument `typing`."""
    return _intrinsic(function)


def _address(context, builder, kind, array, index):
    """Where the entry at `index` of a contiguous array is; kind: numba's type of the array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


def _lanes(width):
    """The type of a register of `width` doubles."""
    return ir.VectorType(ir.DoubleType(), width)


def _pick(builder, a, b, lanes):
    """The register of those lanes of a and b, counted through both."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))


@intrinsic
def execute(typing, function, plan, source, target):
    """Call the C function at an address with three addresses: ``function(plan, source, target)``."""

    def generate(context, builder, signature, arguments):
        word = arguments[0].type
        kind = ir.FunctionType(ir.VoidType(), [word] * 3)
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(function, plan, source, target), generate


@intrinsic
def copy(typing, target, source, count):
    """Copy `count` bytes between addresses."""

    def generate(context, builder, signature, arguments):
        word = ir.IntType(8).as_pointer()
        ends = [builder.inttoptr(address, word) for address in arguments[:2]]
        cgutils.raw_memcpy(builder, *ends, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(target, source, count), generate


@intrinsic
def entries(typing, arrays, index):
    """The entry at one index of each of a tuple of arrays."""

    def generate(context, builder, signature, arguments):
        rows = zip(signature.args[0].types, cgutils.unpack_tuple(builder, arguments[0]))
        values = [builder.load(_address(context, builder, kind, row, arguments[1])) for kind, row in rows]
        return context.make_tuple(builder, signature.return_type, values)

    kind = types.UniTuple(types.float64, len(arrays)) if len(arrays) else types.Tuple(())
    return kind(arrays, index), generate


def _row_address(context, builder, kind, array, indices, point):
    """Where the entry at `point` of a row of an array is; the row is contiguous, and the array is indexed by all `indices`.

    indices: numbers or values; point: a value. The start of the row does not depend on it, and is found outside of loops over points.
    """
    made, offset = context.make_array(kind)(context, builder, array), ir.IntType(64)(0)
    for index, stride in zip(indices, cgutils.unpack_tuple(builder, made.strides)):
        number = ir.IntType(64)(index) if isinstance(index, int) else index
        offset = builder.add(offset, builder.mul(number, stride))
    start = builder.gep(builder.bitcast(made.data, ir.IntType(8).as_pointer()), [offset])
    return builder.gep(builder.bitcast(start, made.data.type), [point])


def _made_rows(context, builder, signature, array, numbers, first):
    """The rows of an array with these numbers, from the value `first` on, as a tuple of arrays that own nothing."""
    source, kind = signature.args[0], signature.return_type.dtype
    whole, made, eight = context.make_array(source)(context, builder, array), [], ir.IntType(64)(8)
    points = builder.sub(cgutils.unpack_tuple(builder, whole.shape)[1], first)
    for number in numbers:
        row, place = context.make_array(kind)(context, builder), _row_address(context, builder, source, array, [number], first)
        populate_array(row, data=place, shape=[points], strides=[eight], itemsize=eight, meminfo=None)
        made.append(row._getvalue())
    return context.make_tuple(builder, signature.return_type, made)


@intrinsic
def rows(typing, array, like, first):
    """The leading rows of an array (rows, points) of doubles from the point `first` on: a tuple as long as the tuple `like`.

    The length of a tuple is part of its type: so loops are compiled for each number of components or axes, and written once.
    The rows are contiguous arrays that live no longer than `array`.
    """
    count = len(like)

    def generate(context, builder, signature, arguments):
        return _made_rows(context, builder, signature, arguments[0], range(count), arguments[2])

    return types.UniTuple(types.Array(types.float64, 1, "C"), count)(array, like, types.intp), generate


@intrinsic
def rows_at(typing, array, like, numbers):
    """The rows of an array whose numbers lie in a contiguous array of integers, as many as `like` is long; see `rows`."""
    count = len(like)

    def generate(context, builder, signature, arguments):
        places = [_address(context, builder, signature.args[2], arguments[2], ir.IntType(64)(i)) for i in range(count)]
        chosen = [builder.load(place) for place in places]
        return _made_rows(context, builder, signature, arguments[0], chosen, ir.IntType(64)(0))

    return types.UniTuple(types.Array(types.float64, 1, "C"), count)(array, like, numbers), generate


@intrinsic
def two_products(typing, x, i, y, out, d, conjugate):
    """out[d : d + 2] = x[i : i + 2] y[d : d + 2], of conjugate x with conjugate = 1; all contiguous and complex.

    In vector registers as they lie in memory: LLVM by itself takes complex numbers apart and together again, which
    takes twice the time.
    """

    def generate(context, builder, signature, arguments):
        def address(array, index):
            place = _address(context, builder, signature.args[array], arguments[array], arguments[index])
            return builder.bitcast(place, _lanes(4).as_pointer())

        a, b = (builder.load(address(*place), align=8) for place in ((0, 1), (2, 4)))
        fused = ("contract",)
        first = builder.fmul(_pick(builder, a, a, [0, 0, 2, 2]), b, flags=fused)
        second = builder.fmul(_pick(builder, a, a, [1, 1, 3, 3]), _pick(builder, b, b, [1, 0, 3, 2]), flags=fused)
        plus, minus = builder.fadd(first, second, flags=fused), builder.fsub(first, second, flags=fused)
        straight, turned = _pick(builder, minus, plus, [0, 5, 2, 7]), _pick(builder, plus, minus, [0, 5, 2, 7])
        zero = ir.Constant(arguments[5].type, 0)
        value = builder.select(builder.icmp_signed("==", arguments[5], zero), straight, turned)
        builder.store(value, address(3, 4), align=8)
        return context.get_dummy_value()

    return types.void(x, i, y, out, d, conjugate), generate


@intrinsic
def two_waves(typing, C, D, out, j):
    """out[2 j] = (C[j] + conj D[j]) / 2 and out[2 j + 1] = (C[j] - conj D[j]) / 2i; all contiguous and complex.

    These are the waves of two real columns, from a wave C[j] of the complex one that they make and the opposite D[j].
    """

    def generate(context, builder, signature, arguments):
        def address(array, index, width):
            place = _address(context, builder, signature.args[array], arguments[array], index)
            return builder.bitcast(place, _lanes(width).as_pointer())

        def spread(array):
            value = builder.load(address(array, arguments[3], 2), align=8)
            return _pick(builder, value, value, [0, 1, 1, 0])

        c = builder.fmul(spread(0), ir.Constant(_lanes(4), [0.5, 0.5, 0.5, -0.5]))
        d = builder.fmul(spread(1), ir.Constant(_lanes(4), [0.5, -0.5, 0.5, 0.5]))
        twice = builder.shl(arguments[3], ir.Constant(arguments[3].type, 1))
        builder.store(builder.fadd(c, d), address(2, twice, 4), align=8)
        return context.get_dummy_value()

    return types.void(C, D, out, j), generate


class _Register:
    """Several doubles with the arithmetic of a number, for formulas that `at_once` compiles."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def _operate(self, name, left, right):
        values = [x.value if isinstance(x, _Register) else ir.Constant(self.value.type, [float(x)] * self.value.type.count)
                  for x in (left, right)]  # fmt: skip
        return _Register(self.builder, getattr(self.builder, name)(*values, flags=("contract",)))

    def __add__(self, other):
        return self._operate("fadd", self, other)

    def __radd__(self, other):
        return self._operate("fadd", other, self)

    def __sub__(self, other):
        return self._operate("fsub", self, other)

    def __rsub__(self, other):
        return self._operate("fsub", other, self)

    def __mul__(self, other):
        return self._operate("fmul", self, other)

    def __rmul__(self, other):
        return self._operate("fmul", other, self)

    def __truediv__(self, other):
        return self._operate("fdiv", self, other)

    def __rtruediv__(self, other):
        return self._operate("fdiv", other, self)

    def __neg__(self):
        return _Register(self.builder, self.builder.fneg(self.value))


class _Block:
    """The rows of an array with several axes, for formulas that `at_once` compiles: ``block[i, j]`` is the row i, j there.

    A row is loaded when the formula asks for it, and once. So a formula may say by itself how many there are.
    """

    def __init__(self, load):
        self._load, self._rows = load, {}

    def __getitem__(self, indices):
        indices = indices if isinstance(indices, tuple) else (indices,)
        if indices not in self._rows:
            self._rows[indices] = self._load(indices)
        return self._rows[indices]


def at_once(formula, width):
    """An intrinsic that applies a formula to `width` points at once: ``(written, read, numbers, z)``.

    ``written[i][z] = formula(written, read, numbers)[i]`` for contiguous rows `written` and points z, z + 1, ... What is
    `read` is a tuple of rows, and of arrays with several axes and contiguous rows, of which the formula asks for rows by
    their indices. numbers: a tuple, of tuples as well, or a contiguous array of as many numbers as there are pairs of rows
    written and read. LLVM's own vectoriser gives up on so many arrays, which might overlap for all it knows.
    """

    @intrinsic
    def apply(typing, written, read, numbers, z):
        def generate(context, builder, signature, arguments):
            lanes = _lanes(width).as_pointer()

            def row(kind, array, indices):
                address = _row_address(context, builder, kind, array, indices, arguments[3])
                return _Register(builder, builder.load(builder.bitcast(address, lanes), align=8))

            def operand(kind, array):
                if kind.ndim == 1:
                    return row(kind, array, ())
                return _Block(lambda indices: row(kind, array, indices))

            def pairs(position):
                return zip(signature.args[position].types, cgutils.unpack_tuple(builder, arguments[position]))

            def everywhere(number):
                first = builder.insert_element(ir.Constant(_lanes(width), ir.Undefined), number, ir.IntType(32)(0))
                return _Register(builder, _pick(builder, first, first, [0] * width))

            def scalars(kind, value):
                if isinstance(kind, types.BaseTuple):
                    return [scalars(*one) for one in zip(kind.types, cgutils.unpack_tuple(builder, value))]
                if isinstance(kind, types.Array):
                    count = len(signature.args[0]) * len(signature.args[1])
                    places = [_address(context, builder, kind, value, ir.IntType(64)(i)) for i in range(count)]
                    return [everywhere(builder.load(place)) for place in places]
                return everywhere(value)

            out = [_address(context, builder, kind, array, arguments[3]) for kind, array in pairs(0)]
            out = [builder.bitcast(place, lanes) for place in out]
            before = [_Register(builder, builder.load(place, align=8)) for place in out]
            operands = [operand(kind, array) for kind, array in pairs(1)]
            for place, new in zip(out, formula(before, operands, scalars(signature.args[2], arguments[2]))):
                builder.store(new.value, place, align=8)
            return context.get_dummy_value()

        return types.void(written, read, numbers, z), generate

    return apply
