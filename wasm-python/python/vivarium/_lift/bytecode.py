"""The bytecode of CPython 3.11 and 3.13, decoded. (`dis` would take most of the time that lifting takes.)"""

import opcode
import sys

from vivarium._lift.values import NotLifted

OLDER = sys.version_info < (3, 12)
KNOWN = sys.version_info[:2] in ((3, 11), (3, 13))

GENERATOR = 0x20
VARIADIC = GENERATOR | 0x80 | 0x100 | 0x200 | 0x04 | 0x08
"""Flags of code: generators; these, coroutines, *args and **kwargs."""

TOTAL = "<total>"
"""What a call has so far of the values of a generator that runs within it, as a variable: _lift/generators.py."""

SOME = "<some>"
"""Whether there was any value, where that matters."""

DEEPEST = 8
"""Calls within calls."""

MOST_INSTRUCTIONS = 2000
MOST_LOOPS = 16

_NAMES = opcode.opname
_CACHES = opcode._inline_cache_entries
_CACHES = [(_CACHES.get(n, 0) if isinstance(_CACHES, dict) else _CACHES[k]) for k, n in enumerate(_NAMES[:256])]
_JUMPS = {k for k, n in enumerate(_NAMES[:256]) if "JUMP" in n or n in ("FOR_ITER", "SEND")}
_BACKWARD = {k for k in _JUMPS if "BACKWARD" in _NAMES[k]}
_EXTENDED = opcode.EXTENDED_ARG
_OPERATORS = [operator[1] for operator in opcode._nb_ops]

_LOCAL = frozenset(
    "LOAD_FAST STORE_FAST LOAD_FAST_CHECK LOAD_DEREF LOAD_CLOSURE DELETE_FAST STORE_DEREF LOAD_FAST_AND_CLEAR".split()
)
_LOCALS = frozenset("LOAD_FAST_LOAD_FAST STORE_FAST_STORE_FAST STORE_FAST_LOAD_FAST".split())
_READS = frozenset("LOAD_FAST LOAD_FAST_CHECK LOAD_DEREF LOAD_CLOSURE DELETE_FAST LOAD_FAST_AND_CLEAR".split())
_ENDS = frozenset("RETURN_VALUE RETURN_CONST RAISE_VARARGS RERAISE JUMP_FORWARD JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT".split())
_RAISES = frozenset("RAISE_VARARGS RERAISE LOAD_ASSERTION_ERROR".split())


class Instruction:
    __slots__ = ("name", "arg", "value", "offset")

    def __init__(self, name, arg, value, offset):
        self.name, self.arg, self.value, self.offset = name, arg, value, offset


def _decode(code):
    """(instructions, number of the instruction at each offset, [(number of a jump, offset of its target)])"""
    raw, constants, names = code.co_code, code.co_consts, code.co_names
    cells = tuple(name for name in code.co_cellvars if name not in code.co_varnames)
    places = code.co_varnames + cells + code.co_freevars
    instructions, at, jumps = [], {}, []
    k, extension, start = 0, 0, None
    while k < len(raw):
        op = raw[k]
        arg = raw[k + 1] | extension << 8
        if start is None:
            start = k
        if op == _EXTENDED:
            extension = arg
            k += 2
            continue
        name, value, following = _NAMES[op], None, k + 2 + 2 * _CACHES[op]
        if op in _JUMPS:
            jumps.append((len(instructions), following - 2 * arg if op in _BACKWARD else following + 2 * arg))
        elif name in _LOCAL:
            value = places[arg]
        elif name in _LOCALS:
            value = (places[arg >> 4], places[arg & 15])
        elif name in ("LOAD_CONST", "RETURN_CONST", "KW_NAMES"):
            value = constants[arg]
        elif name == "LOAD_GLOBAL" or (name == "LOAD_ATTR" and not OLDER):
            value = names[arg >> 1]
        elif name in ("LOAD_METHOD", "LOAD_ATTR"):
            value = names[arg]
        elif name == "BINARY_OP":
            value = _OPERATORS[arg]
        elif name == "COMPARE_OP":
            value = opcode.cmp_op[arg if OLDER else arg >> 5]
        for offset in range(start, k + 2, 2):
            at[offset] = len(instructions)
        instructions.append(Instruction(name, arg, value, k))
        extension, start, k = 0, None, following
        if len(instructions) > MOST_INSTRUCTIONS:
            raise NotLifted("the function is too long")
    return instructions, at, jumps


class Code:
    """A code object: instructions, which follow which, and what is known of each of them ahead."""

    def __init__(self, code):
        self.code = code
        self.cells = frozenset(code.co_cellvars + code.co_freevars)
        self.ins, at, jumps = _decode(code)
        self.target = {number: at[offset] for number, offset in jumps}
        self.leaders = set(self.target.values())
        self.jumps_back = any(target <= k for k, target in self.target.items())
        self.succ = [self._successors(k) for k in range(len(self.ins))]
        self.doomed = self._doomed()
        self.define, self.live = self._live()
        self.loops = self._loops()

    def _successors(self, k):
        found = [self.target[k]] if k in self.target else []
        if self.ins[k].name not in _ENDS and k + 1 < len(self.ins):
            found.append(k + 1)
        return found

    def _backwards(self, step):
        """Calls step(k) for all instructions, last first, until it changes nothing: once, where nothing jumps back."""
        again = True
        while again:
            again = False
            for k in range(len(self.ins) - 1, -1, -1):
                again = step(k) or again
            again = again and self.jumps_back

    def _doomed(self):
        """Instructions from which every path raises."""
        doomed = {k for k, instruction in enumerate(self.ins) if instruction.name in _RAISES}

        def step(k):
            if k in doomed or not self.succ[k] or not all(s in doomed for s in self.succ[k]):
                return False
            doomed.add(k)
            return True

        self._backwards(step)
        return doomed

    def _live(self):
        """The variables that each instruction sets, and those that are read at it or behind it."""
        nothing = frozenset()
        use, define = [nothing] * len(self.ins), [nothing] * len(self.ins)
        for k, instruction in enumerate(self.ins):
            name, value = instruction.name, instruction.value
            if name in _READS:
                use[k] = frozenset((value,))
            elif name == "LOAD_FAST_LOAD_FAST":
                use[k] = frozenset(value)
            elif name in ("STORE_FAST", "STORE_DEREF"):
                define[k] = frozenset((value,))
            elif name == "YIELD_VALUE":
                define[k] = frozenset((TOTAL, SOME))
            elif name == "STORE_FAST_STORE_FAST":
                define[k] = frozenset(value)
            elif name == "STORE_FAST_LOAD_FAST":
                define[k] = frozenset((value[0],))
                use[k] = frozenset((value[1],)) - define[k]
        live = [nothing] * (len(self.ins) + 1)

        def step(k):
            following = self.succ[k]
            out = live[following[0]] if len(following) == 1 else nothing.union(*(live[s] for s in following))
            new = use[k] | (out - define[k])
            if new == live[k]:
                return False
            live[k] = new
            return True

        self._backwards(step)
        for k, name in self._appended():
            define[k] |= {name}
        kept = frozenset(self.code.co_cellvars)  # inner functions may read them
        return define, [names | kept for names in live] if kept else live

    def _appended(self):
        """(instruction, variable) of calls of append(): they change it."""
        for k, instruction in enumerate(self.ins[:-1]):
            following = self.ins[k + 1]
            if following.name in ("LOAD_ATTR", "LOAD_METHOD") and following.value == "append":
                value = instruction.value[-1] if instruction.name in _LOCALS else instruction.value
                if instruction.name in _LOCALS or instruction.name in _LOCAL:
                    yield k, value

    def _loops(self):
        """The first instruction of each loop, and the last that jumps back to it."""
        loops = {}
        for k, target in self.target.items():
            if target <= k:
                loops[target] = max(loops.get(target, 0), k)
        if len(loops) > MOST_LOOPS:
            raise NotLifted("the function has too many loops")
        again = True
        while again:  # a loop that is entered from within another one belongs to it whole
            again = False
            for head, end in loops.items():
                for other, other_end in loops.items():
                    if head < other <= end < other_end:
                        loops[head] = end = other_end
                        again = True
        return loops

    def line(self, k):
        """The line of the source that an instruction is of."""
        offset = self.ins[k].offset
        for start, end, line in self.code.co_lines():
            if start <= offset < end and line is not None:
                return line
        return self.code.co_firstlineno
