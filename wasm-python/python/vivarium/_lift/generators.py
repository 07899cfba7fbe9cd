"""Generator expressions and comprehensions: their code runs within the call that takes what they yield.

A generator is never more than an argument of such a call, so nothing can happen between its values but what the call does with them. What the
call has of them so far is a variable of the generator's frame, which no variable of Python's is called as.
"""

import types

from vivarium._lift.bytecode import DEEPEST, GENERATOR, OLDER, SOME, TOTAL, VARIADIC
from vivarium._lift.sequences import is_iterator, is_parts
from vivarium._lift.values import (
    NULL,
    BOOL,
    FLOAT,
    NUMBER,
    TEXT,
    Cell,
    Const,
    Deopt,
    Frame,
    Generator,
    Inner,
    Iter,
    Made,
    RangeIter,
    Reg,
    Slice,
    Tup,
    type_of,
)

_TAKERS = {sum: "sum", any: "any", all: "all", list: "list", tuple: "tuple", next: "next", max: "max", min: "min"}
_STARTS = {"sum": Const(0), "join": Const(""), "any": Const(False), "all": Const(True), "max": Const(0), "min": Const(0)}
_KINDS = {"list": list, "tuple": tuple, "unpacked": tuple}
_SEPARATOR, _DEFAULT = "<separator>", "<default>"

_EACH = (item for item in ()).gi_code
"""Of a generator that yields what it is given."""

_CHOSEN = (lambda test: (item for item in () if test(item)))(bool).gi_code
_TRUE = (item for item in () if item).gi_code
"""Of what filter() gives."""


def takes(fn):
    """Whether the function takes what an iterator has."""
    return type(fn) in (types.BuiltinFunctionType, type) and fn in _TAKERS


class Generators:
    # ---- Making them ----

    def do_make_function(self, state, frame, stack, instruction):
        code = stack.pop().v
        names = ()
        if OLDER and instruction.arg & 8:
            names = stack.pop()
        if OLDER and instruction.arg & ~8:
            raise Deopt("an inner function with defaults")
        self._push_inner(stack, code, names)

    def do_set_function_attribute(self, state, frame, stack, instruction):
        inner, names = stack.pop(), stack.pop()
        if instruction.arg != 8 or not isinstance(inner, Inner):
            raise Deopt("an inner function with defaults")
        self._push_inner(stack, inner.code, names)

    def _push_inner(self, stack, code, cells):
        if isinstance(cells, Tup) and all(isinstance(cell, Cell) for cell in cells.items):
            cells = tuple(cell.name for cell in cells.items)
        if type(code) is not types.CodeType or type(cells) is not tuple:
            raise Deopt("an inner function")
        stack.append(Inner(code, cells))

    def do_load_closure(self, state, frame, stack, instruction):
        stack.append(Cell(instruction.value))

    def do_store_deref(self, state, frame, stack, instruction):
        if instruction.value not in frame.code.code.co_cellvars:
            raise Deopt("a variable of an outer function")
        self._store(state, frame, instruction.value, stack.pop())

    def do_load_fast_and_clear(self, state, frame, stack, instruction):
        stack.append(frame.locals.pop(instruction.value, NULL))

    def do_return_generator(self, state, frame, stack, instruction):
        stack.append(Const(None))

    def do_list_append(self, state, frame, stack, instruction):
        v = stack.pop()
        if not isinstance(v, (Const, Made, Reg, Tup)) or is_iterator(v):
            raise Deopt("a list of such values")
        stack[-instruction.arg] = self.appended(stack[-instruction.arg], self.keep(v, state), state)

    def inner_call(self, inner, arguments, keywords, state):
        """The generator, or the frame of a comprehension or an inner function."""
        frame, code = state.frames[-1], inner.code
        variables = dict(zip(code.co_varnames, [self.keep(v, state) for v in arguments]))
        if keywords or len(arguments) != code.co_argcount or code.co_kwonlyargcount or code.co_flags & VARIADIC & ~GENERATOR:
            raise Deopt("a call of an inner function")
        if len(state.frames) > DEEPEST or (code.co_flags & GENERATOR and code.co_name != "<genexpr>"):
            raise Deopt("a call of an inner function")
        if any(other.code.code is code for other in state.frames):
            raise Deopt("recursion")
        for name in inner.names:
            if name in frame.locals or (name in frame.code.code.co_freevars and frame.code.code is frame.fn.__code__):
                variables[name] = self.keep(self.in_cell(frame, name), state)
            if isinstance(variables.get(name), (Inner, Generator)):
                raise Deopt("an inner function of an inner function")
        if code.co_flags & GENERATOR:
            return Generator(code, variables)
        return Frame(self.code_of(code), frame.fn, 0, self._begun(code, variables), [])

    def _begun(self, code, variables):
        """Iterators belong to the loop that they are for."""
        first = variables.get(".0")
        header = next((k for k, instruction in enumerate(self.code_of(code).ins) if instruction.name == "FOR_ITER"), None)
        if isinstance(first, Iter):
            first = Iter(first.items, first.at, header)
        elif isinstance(first, RangeIter):
            first = RangeIter(first.cur, first.stop, first.step, header, first.over)
        return variables | ({".0": first} if first is not None else {})

    # ---- Taking what they yield ----

    def taken(self, kind, generator, state, more=()):
        """The frame of a generator whose values are taken; more: variables that what takes them needs."""
        if len(state.frames) > DEEPEST or any(other.code.code is generator.code and generator.code is not _EACH for other in state.frames):
            raise Deopt("recursion")
        variables = self._begun(generator.code, generator.variables) | dict(more)
        variables[TOTAL] = _STARTS.get(kind) or Tup([], _KINDS.get(kind, list))
        return Frame(self.code_of(generator.code), state.frames[-1].fn, 0, variables, [], kind)

    def generator_of(self, v, state):
        """A generator of the items of a sequence."""
        return v if isinstance(v, Generator) else Generator(_EACH, {".0": self.iterator(v, None, state)})

    def chosen(self, test, v, state):
        """filter(): the generator."""
        if not isinstance(test, Const) or isinstance(v, Generator):
            raise Deopt("filter() of such values")
        first = {".0": self.iterator(v, None, state)}
        return Generator(_TRUE, first) if test.v is None else Generator(_CHOSEN, first | {"test": test})

    def take_all(self, fn, arguments, state):
        """The call of a function of _TAKERS: a frame or a value."""
        kind, v = _TAKERS[fn], arguments[0]
        if kind == "next":
            if not isinstance(v, Generator) or len(arguments) > 2 or not all(isinstance(default, Const) for default in arguments[1:]):
                raise Deopt("next() of such a value")
            return self.taken(kind, v, state, ((_DEFAULT, default) for default in arguments[1:]))
        if len(arguments) != 1:
            raise Deopt(f"{fn.__name__}() of such values")
        if not isinstance(v, Generator):
            v = self.sequence(v, state)
            if isinstance(v, Tup):
                return self._of_items(kind, v.items, state)
            if kind == "list" and is_parts(v):
                return v
        return self.taken(kind, self.generator_of(v, state), state, {SOME: Const(False)} if kind in ("max", "min") else ())

    def _of_items(self, kind, items, state):
        if kind in _KINDS:
            return Tup(list(items), _KINDS[kind])
        if kind in ("max", "min"):
            raise Deopt(f"{kind}() of such values")
        total = _STARTS[kind]
        for item in items:
            if kind == "sum":
                total = self._added(total, item, state)
            else:
                item = self.truth(item, state)
                total = self.either(total, item) if kind == "any" else self.both(total, item)
        return self.summed(total, state)

    def joined(self, separator, v, state):
        """separator.join(v) of a generator: the frame."""
        return self.taken("join", self.generator_of(v, state), state, {_SEPARATOR: separator})

    def do_yield_value(self, state, frame, stack, instruction):
        v, kind = stack.pop(), frame.taker
        total = frame.locals.get(TOTAL)
        if kind is None or not isinstance(v, (Const, Made, Reg, Tup)) or is_iterator(v):
            raise Deopt("a generator")
        if kind == "sum":
            frame.locals[TOTAL] = self._added(total, v, state)
        elif kind == "join":
            v = self.present(v, state)
            if type_of(v) != TEXT:
                raise Deopt("join() of such values")
            frame.locals[TOTAL] = self.concat([total, v, frame.locals[_SEPARATOR]], state)
        elif kind in ("max", "min"):
            frame.locals[TOTAL], frame.locals[SOME] = self._larger(total, frame.locals[SOME], self.present(v, state), kind, state), Const(True)
        elif kind in ("any", "all"):
            return self._tested(state, frame, self.truth(v, state), kind == "any")
        elif kind == "next":
            return self.give_back(state, v)
        else:
            frame.locals[TOTAL] = self.appended(Tup(total.items, list) if isinstance(total, Tup) else total, self.keep(v, state), state)
        stack.append(Const(None))
        frame.at += 1
        return state

    def _tested(self, state, frame, condition, when):
        """any() ends with the first true value, all() with the first that is not."""
        if isinstance(condition, Const) and condition.v == when:
            return self.give_back(state, Const(when))
        if isinstance(condition, Reg):
            ended = state.copy()
            ended.mask = self.m_and(state.mask, condition.id, when)
            state.mask = self.m_and(state.mask, condition.id, not when)
            self.give_back(ended, Const(when))
        frame.stack.append(Const(None))
        frame.at += 1
        return self.push(state)

    def result_of_taking(self, frame, state):
        """What the call returns when the generator has ended."""
        kind, total = frame.taker, frame.locals[TOTAL]
        if kind == "object":
            return total
        if kind == "next":
            if _DEFAULT not in frame.locals:
                raise Deopt("next() of a generator that has ended")
            return frame.locals[_DEFAULT]
        if kind == "sum":
            return self.summed(total, state)
        if kind in ("max", "min"):
            some = frame.locals[SOME]
            if isinstance(some, Const) and not some.v:
                raise Deopt(f"{kind}() of no value")
            if not isinstance(some, Const):
                self.fail_rows(self.m_and(state.mask, some.id, False), f"{kind}() of no value")
            return total
        if kind == "join":
            separator = frame.locals[_SEPARATOR]
            if not isinstance(separator, Const):
                raise Deopt("join() by such a text")
            if separator.v == "" or (isinstance(total, Const) and total.v == ""):
                return total
            if isinstance(total, Const):
                return Const(total.v[: -len(separator.v)])
            return self.slice(total, Slice(Const(None), Const(-len(separator.v))), state)
        if kind in _KINDS and isinstance(total, Tup):
            return Tup(total.items, _KINDS[kind])
        return total

    # ---- max() and min() ----

    def _larger(self, total, some, v, kind, state):
        """The first of those that are largest; total means nothing where there was none yet."""
        if type_of(v) not in (NUMBER, FLOAT) or (not isinstance(some, Const) and type_of(v) != NUMBER):
            raise Deopt(f"{kind}() of such values")
        if isinstance(some, Const) and not some.v:
            return v
        if type_of(total) != type_of(v):
            raise Deopt(f"{kind}() of values of several types")
        better = self.compare(">" if kind == "max" else "<", v, total, state)
        if not isinstance(some, Const):
            better = self.either(better, self.negate(some))
        if isinstance(better, Const):
            return v if better.v else total
        return self.select(better.id, v, total)

    # ---- sum() ----

    def _added(self, total, v, state):
        """From the first float on, CPython 3.12 and later keep what is lost of the sum: total is a Made of both then."""
        v = self.present(v, state)
        t = type_of(v)
        if isinstance(total, Made):
            return self._added_float(total, self.to_float(v), t, state)
        if t not in (NUMBER, BOOL, FLOAT) or type_of(total) not in (NUMBER, FLOAT) or (t == FLOAT and isinstance(v, Const)):
            raise Deopt("sum() of such values")
        if t == FLOAT and type_of(total) == NUMBER and not isinstance(total, Const):  # by the size of C's long, what is lost is not kept
            raise Deopt("sum() of ints and floats")
        found = self.binary("+", total, v, state)
        if t != FLOAT or OLDER:
            return found
        return Made("sum", None, [found, Const(0.0)])

    def _added_float(self, total, v, t, state):
        sum, lost = total.parts
        if t == NUMBER:
            raise Deopt("sum() of ints and floats")
        if t == BOOL:  # an int is added as it is
            return total.of([self.binary("+", sum, v, state), lost])
        if isinstance(v, Const):
            v = Reg(FLOAT, self.as_reg(v))
        new = self.binary("+", sum, v, state)
        sizes = [Reg(FLOAT, self.emit("float_abs", FLOAT, self.as_reg(number))) for number in (sum, v)]
        first = self.binary("+", self.binary("-", sum, new, state), v, state)
        second = self.binary("+", self.binary("-", v, new, state), sum, state)
        larger = self.compare(">=", *sizes, state)
        return total.of([new, self.binary("+", lost, self.select(larger.id, first, second), state)])

    def summed(self, total, state):
        if not isinstance(total, Made):
            return total
        sum, lost = total.parts
        if isinstance(lost, Const):
            return sum
        whole = self.binary("+", sum, lost, state)
        known = Reg(BOOL, self.emit("float_eq", BOOL, self.emit("float_sub", FLOAT, lost.id, lost.id), constant=0))  # neither NaN nor infinite
        known = self.emit("bool_and", BOOL, known.id, self.emit("float_truth", BOOL, lost.id))
        return self.select(known, whole, sum)

    # ---- Unpacking ----

    def unpacked_generator(self, generator, count, state):
        """The frame of a generator that is unpacked: it has a value for each item of its sequence, or the rows are the interpreter's."""
        first = generator.variables.get(".0")
        if isinstance(first, RangeIter) and first.over is not None:
            wrong = self.compare("!=", first.stop, Const(count), state)
            self.fail_rows(self.m_and(state.mask, wrong.id), "unpacking of another number of parts")
            items = [self.item_of(first.over, Const(k), state) for k in range(count)]
            generator = Generator(generator.code, generator.variables | {".0": Iter(items)})
        elif not isinstance(first, Iter):
            raise Deopt("unpacking of such a value")
        return self.taken("unpacked", generator, state)
