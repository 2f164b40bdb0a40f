"""What numba has no words for, for compiled loops: calls by address, copies, and arithmetic in vector registers.

Addresses are integers, registers hold doubles as they lie in memory, and nothing checks a bound: callers do. Import it only
where `kernels.COMPILED`. A change here compiles all loops anew (`loop_cache.SHARED_SOURCES`).
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


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

    return types.UniTuple(types.float64, len(arrays))(arrays, index), generate


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

    def __add__(self, other):
        return _Register(self.builder, self.builder.fadd(self.value, other.value, flags=("contract",)))

    def __sub__(self, other):
        return _Register(self.builder, self.builder.fsub(self.value, other.value, flags=("contract",)))

    def __mul__(self, other):
        return _Register(self.builder, self.builder.fmul(self.value, other.value, flags=("contract",)))


def at_once(formula, width):
    """An intrinsic that applies a formula to `width` points at once: ``(written, read, numbers, z)``.

    ``written[i][z] = formula(written, read, numbers)[i]`` for contiguous rows `written` and `read` and points z, z + 1,
    ... LLVM's own vectoriser gives up on so many arrays, which might overlap for all it knows. numbers: a tuple, or a
    contiguous array of as many numbers as there are pairs of rows written and read.
    """

    @intrinsic
    def apply(typing, written, read, numbers, z):
        def generate(context, builder, signature, arguments):
            def addresses(position):
                rows = zip(signature.args[position].types, cgutils.unpack_tuple(builder, arguments[position]))
                places = [_address(context, builder, kind, row, arguments[3]) for kind, row in rows]
                return [builder.bitcast(place, _lanes(width).as_pointer()) for place in places]

            def everywhere(number):
                first = builder.insert_element(ir.Constant(_lanes(width), ir.Undefined), number, ir.IntType(32)(0))
                return _Register(builder, _pick(builder, first, first, [0] * width))

            def scalars():
                kind, numbers = signature.args[2], arguments[2]
                if not isinstance(kind, types.Array):
                    return cgutils.unpack_tuple(builder, numbers)
                count = len(signature.args[0]) * len(signature.args[1])
                places = [_address(context, builder, kind, numbers, ir.IntType(64)(i)) for i in range(count)]
                return [builder.load(place) for place in places]

            out = addresses(0)
            values = [[_Register(builder, builder.load(x, align=8)) for x in rows] for rows in (out, addresses(1))]
            constants = [everywhere(x) for x in scalars()]
            for place, new in zip(out, formula(*values, constants)):
                builder.store(new.value, place, align=8)
            return context.get_dummy_value()

        return types.void(written, read, numbers, z), generate

    return apply
