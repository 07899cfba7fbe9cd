"""The stack machine: what each instruction does to a state."""

import functools
import types

from vivarium._lift.bytecode import OLDER
from vivarium._lift.classes import is_member
from vivarium._lift.objects import is_named, is_object
from vivarium._lift.sequences import is_iterator, is_list
from vivarium._lift.times import CLASSES_WITH_CONSTANTS, MOMENTS, IsoDate, iso_part
from vivarium._lift.values import NULL, TEXT, Cell, Const, Deopt, Fork, Frame, Generator, Iter, Made, Method, Reg, Slice, Tup, type_of
from vivarium._lift.zones import is_abroad

_NOTHING = frozenset("RESUME NOP PRECALL MAKE_CELL COPY_FREE_VARS NOT_TAKEN".split())
_TESTS = {"IF_FALSE": False, "IF_TRUE": True, "IF_NONE": True, "IF_NOT_NONE": False}


@functools.cache
def _test_of(name):
    """Of a conditional jump: (whether it asks for None, at which answer it jumps); None for other instructions."""
    if not name.startswith("POP_JUMP_"):
        return None
    what = name.removeprefix("POP_JUMP_").removeprefix("FORWARD_").removeprefix("BACKWARD_")
    return ("NONE" in what, _TESTS[what]) if what in _TESTS else None


class Machine:
    def step(self, state):
        """Runs one instruction. The state to go on with, or None when it has ended or waits."""
        self.count_step(state)
        frame = state.frames[-1]
        instruction = frame.code.ins[frame.at]
        name, stack = instruction.name, frame.stack
        if self.documents and self.settle(state, instruction):
            return None
        test = _test_of(name)
        if test is not None:
            condition = self.is_none(stack.pop()) if test[0] else self.truth(stack.pop(), state)
            return self._branch(state, condition, frame.code.target[frame.at], test[1])
        if name in ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"):
            frame.at = frame.code.target[frame.at]
            return self.push(state)
        if name in ("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP"):
            return self._jump_or_pop(state, "TRUE" in name)
        if name in ("RETURN_VALUE", "RETURN_CONST"):
            return self._return(state, Const(instruction.value) if name == "RETURN_CONST" else stack.pop())
        if name == "FOR_ITER":
            return self._for_iter(state)
        if name == "YIELD_VALUE":
            return self.do_yield_value(state, frame, stack, instruction)
        if name == "UNPACK_SEQUENCE" and isinstance(stack[-1], Generator):
            state.frames.append(self.unpacked_generator(stack.pop(), instruction.arg, state))
            return state
        if name in ("CALL", "CALL_KW"):
            result = self._call(state, instruction)
            if isinstance(result, Frame):
                state.frames.append(result)
                return state
            stack.append(result)
        elif name not in _NOTHING:
            getattr(self, "do_" + name.lower(), self._unknown)(state, frame, stack, instruction)
        if stack and isinstance(stack[-1], Fork):
            return self._fork(state, stack.pop())
        frame.at += 1
        return state

    def _unknown(self, state, frame, stack, instruction):
        raise Deopt(f"the instruction {instruction.name}")

    # ---- Paths ----

    def _fork(self, state, fork):
        for mask, v in fork.values:
            path = state.copy()
            path.mask = mask
            path.frames[-1].stack.append(v)
            path.frames[-1].at += 1
            self.push(path)

    def _branch(self, state, condition, target, when):
        """Jumps where the condition is `when`, goes on elsewhere."""
        frame = state.frames[-1]
        if isinstance(condition, Const):
            if bool(condition.v) == when:
                frame.at = target
                return self.push(state)
            frame.at += 1
            return state
        taken = state.copy()
        taken.frames[-1].at = target
        frame.at += 1
        taken.mask = self.m_and(state.mask, condition.id, when)
        state.mask = self.m_and(state.mask, condition.id, not when)
        if condition.about is not None:
            self._learn(taken, *condition.about, when)
            self._learn(state, *condition.about, not when)
        self.push(taken)
        return self.push(state)

    def _learn(self, state, v, about, answer):
        """What a condition's answer says of an optional value."""
        if about in ("is none", "is present") and answer == (about == "is none"):
            state.replace(v, Const(None))
        elif about in ("is none", "is present") or answer == (about == "true is present"):
            state.replace(v, Reg(v.t, v.id))

    def _jump_or_pop(self, state, when):
        frame = state.frames[-1]
        condition = self.truth(frame.stack[-1], state)
        target = frame.code.target[frame.at]
        if isinstance(condition, Const):
            if condition.v == when:
                frame.at = target
                return self.push(state)
            frame.stack.pop()
            frame.at += 1
            return state
        taken = state.copy()
        taken.frames[-1].at = target
        taken.mask = self.m_and(state.mask, condition.id, when)
        state.mask = self.m_and(state.mask, condition.id, not when)
        frame.stack.pop()
        frame.at += 1
        self.push(taken)
        return self.push(state)

    def _return(self, state, v):
        frame = state.frames[-1]
        return self.give_back(state, v if frame.taker is None else self.result_of_taking(frame, state))

    def give_back(self, state, v):
        """Ends the call that the state is in."""
        if len(state.frames) == self.bottom:
            self.returns.append((state.mask, v))
            return None
        return self.resume(state, v)

    def resume(self, state, v):
        """Goes on behind a call; what a generator was unpacked to is unpacked now."""
        ended = state.frames.pop()
        state.frames[-1].stack.append(v)
        state.frames[-1].at += ended.taker != "unpacked"
        return self.push(state)  # all returns of a call meet here

    def _for_iter(self, state):
        frame = state.frames[-1]
        iterator = frame.stack[-1]
        if not isinstance(iterator, Iter):
            raise Deopt("iteration over such a value")
        if iterator.at < len(iterator.items):
            frame.stack[-1] = Iter(iterator.items, iterator.at + 1, iterator.header)
            frame.stack.append(iterator.items[iterator.at])
            frame.at += 1
            return state
        self.end_iteration(frame)
        return self.push(state)

    def end_iteration(self, frame):
        frame.at = frame.code.target[frame.at]
        if OLDER:
            frame.stack.pop()
        else:
            frame.stack.append(NULL)  # END_FOR takes one off, POP_TOP the iterator

    # ---- Variables ----

    def _local(self, frame, name):
        if name in frame.code.cells:
            return Cell(name)
        if name not in frame.locals:
            raise Deopt("a variable without a value")
        return frame.locals[name]

    def _store(self, state, frame, name, v):
        if isinstance(v, Generator) or is_iterator(v):
            raise Deopt("an iterator that is kept")
        if any(v is other for held in state.frames for other in held.locals.values()):
            v = self.keep(v, state)
        if v is NULL:  # a comprehension has ended, whose variable had no value before
            frame.locals.pop(name, None)
        else:
            frame.locals[name] = v

    def do_load_fast(self, state, frame, stack, instruction):
        stack.append(self._local(frame, instruction.value))

    do_load_fast_check = do_load_fast

    def do_load_fast_load_fast(self, state, frame, stack, instruction):
        stack.extend(self._local(frame, name) for name in instruction.value)

    def do_store_fast(self, state, frame, stack, instruction):
        self._store(state, frame, instruction.value, stack.pop())

    def do_store_fast_store_fast(self, state, frame, stack, instruction):
        for name in instruction.value:
            self._store(state, frame, name, stack.pop())

    def do_store_fast_load_fast(self, state, frame, stack, instruction):
        self._store(state, frame, instruction.value[0], stack.pop())
        stack.append(self._local(frame, instruction.value[1]))

    def do_load_const(self, state, frame, stack, instruction):
        stack.append(Const(instruction.value))

    def do_load_deref(self, state, frame, stack, instruction):
        stack.append(self.in_cell(frame, instruction.value))

    def in_cell(self, frame, name):
        """The value of a variable that inner functions share with the function around them."""
        if name in frame.locals:
            return frame.locals[name]
        names = frame.code.code.co_freevars
        if name not in names or frame.code.code is not frame.fn.__code__ or not frame.fn.__closure__:
            raise Deopt("a variable without a value")
        return Const(self.guards.cell(frame.fn.__closure__[names.index(name)]))

    def do_push_null(self, state, frame, stack, instruction):
        stack.append(NULL)

    def _push_callable(self, stack, v):
        stack.extend((NULL, v) if OLDER else (v, NULL))

    def do_load_global(self, state, frame, stack, instruction):
        v = Const(self.guards.variable(frame.fn, instruction.value))
        if instruction.arg & 1:
            self._push_callable(stack, v)
        else:
            stack.append(v)

    def do_load_attr(self, state, frame, stack, instruction):
        name = instruction.value
        method = instruction.name == "LOAD_METHOD" or (not OLDER and instruction.arg & 1)
        v = stack.pop()
        if isinstance(v, Const) and v.v is str and isinstance(vars(str).get(name), types.MethodDescriptorType):
            v = Const(vars(str)[name])
            if method:
                self._push_callable(stack, v)
            else:
                stack.append(v)
        elif isinstance(v, Const) and type(v.v) is types.ModuleType:
            v = Const(self.guards.attribute(v.v, name))
            if method:
                self._push_callable(stack, v)
            else:
                stack.append(v)
        elif method and (isinstance(v, (Made, Reg)) or (is_list(v) and name == "append") or (isinstance(v, Const) and self.has_methods(v))):
            stack.extend((Method(name), v))
        elif type_of(v) in MOMENTS or (isinstance(v, Reg) and v.t in MOMENTS):
            stack.append(self.moment_attribute(name, v, state))
        elif isinstance(v, Reg) and is_abroad(v.t):
            stack.append(self.abroad_attribute(name, v, state))
        elif isinstance(v, Const) and type(v.v) is type and v.v in CLASSES_WITH_CONSTANTS:
            stack.append(self.moment_constant(name, v.v))
        elif not method and (is_object(v) or is_named(v)):
            stack.append(self.object_attribute(v, name))
        elif isinstance(v, Const) and v.v is object and name == "__setattr__":
            if method:
                self._push_callable(stack, Const(object.__setattr__))
            else:
                stack.append(Const(object.__setattr__))
        elif isinstance(v, Tup) and v.kind is IsoDate:
            stack.append(iso_part(v, name))
        elif isinstance(v, Const) and isinstance(v.v, type):
            v = Const(self.class_attribute(v.v, name))
            if method:
                self._push_callable(stack, v)
            else:
                stack.append(v)
        elif isinstance(v, Const) and is_member(v.v):
            stack.append(Const(self.member_attribute(v.v, name)))
        else:
            raise Deopt(f"the attribute {name}")

    do_load_method = do_load_attr

    # ---- Calls ----

    def do_kw_names(self, state, frame, stack, instruction):
        self.keywords = instruction.value

    def _call(self, state, instruction):
        stack = state.frames[-1].stack
        names, self.keywords = self.keywords, ()
        if instruction.name == "CALL_KW":
            names = stack.pop().v
        arguments = [stack.pop() for _ in range(instruction.arg)][::-1]
        second, first = stack.pop(), stack.pop()
        if first is NULL or second is NULL:
            called = second if first is NULL else first
        else:
            called, arguments = first, [second, *arguments]
        given = len(arguments) - len(names)
        return self.call(called, arguments[:given], dict(zip(names, arguments[given:])), state)

    # ---- Operators ----

    def do_binary_op(self, state, frame, stack, instruction):
        y, x = stack.pop(), stack.pop()
        stack.append(self.binary(instruction.value, x, y, state))

    def do_compare_op(self, state, frame, stack, instruction):
        y, x = stack.pop(), stack.pop()
        stack.append(self.compare(instruction.value, x, y, state))

    def do_is_op(self, state, frame, stack, instruction):
        y, x = stack.pop(), stack.pop()
        result = self.is_same(x, y)
        stack.append(self.negate(result) if instruction.arg else result)

    def do_contains_op(self, state, frame, stack, instruction):
        y, x = stack.pop(), stack.pop()
        result = self.contains(x, y, state)
        stack.append(self.negate(result) if instruction.arg else result)

    def do_binary_subscr(self, state, frame, stack, instruction):
        y, x = stack.pop(), stack.pop()
        stack.append(self.get_item(x, y, state))

    def do_binary_slice(self, state, frame, stack, instruction):
        stop, start, x = stack.pop(), stack.pop(), stack.pop()
        stack.append(self.get_item(x, Slice(start, stop), state))

    def do_build_slice(self, state, frame, stack, instruction):
        if instruction.arg == 3 and all(isinstance(v, Const) for v in stack[-3:]) and [v.v for v in stack[-3:]] == [None, None, -1]:
            del stack[-3:]
            stack.append(Slice(None, None))
            return
        if instruction.arg != 2:
            raise Deopt("a slice with a step")
        stop, start = stack.pop(), stack.pop()
        stack.append(Slice(start, stop))

    def do_to_bool(self, state, frame, stack, instruction):
        stack.append(self.truth(stack.pop(), state))

    def do_unary_not(self, state, frame, stack, instruction):
        stack.append(self.negate(self.truth(stack.pop(), state)))

    def do_unary_negative(self, state, frame, stack, instruction):
        stack.append(self.negative(stack.pop(), state))

    def do_unary_invert(self, state, frame, stack, instruction):
        stack.append(self.inverted(stack.pop(), state))

    # ---- The stack ----

    def do_copy(self, state, frame, stack, instruction):
        stack.append(stack[-instruction.arg])

    def do_swap(self, state, frame, stack, instruction):
        stack[-1], stack[-instruction.arg] = stack[-instruction.arg], stack[-1]

    def do_pop_top(self, state, frame, stack, instruction):
        stack.pop()

    do_end_for = do_pop_top

    # ---- Containers and text ----

    def do_get_iter(self, state, frame, stack, instruction):
        stack.append(self.iterator(stack.pop(), frame.at + 1, state))

    def do_unpack_sequence(self, state, frame, stack, instruction):
        stack.extend(self.unpacked(stack.pop(), instruction.arg, state))

    def do_unpack_ex(self, state, frame, stack, instruction):
        v = self.present(stack.pop(), state)
        stack.extend(reversed(self.unpacked_with_rest(v, instruction.arg & 0xFF, instruction.arg >> 8, state)))

    def _build(self, state, stack, count, kind):
        items = [stack.pop() for _ in range(count)][::-1]
        cells = kind is tuple and all(isinstance(item, Cell) for item in items)
        if not cells and (not all(isinstance(item, (Const, Made, Reg, Tup)) for item in items) or any(map(is_iterator, items))):
            raise Deopt("a container of such values")
        stack.append(Tup([self.keep(item, state) for item in items], kind))

    def do_build_tuple(self, state, frame, stack, instruction):
        self._build(state, stack, instruction.arg, tuple)

    def do_build_list(self, state, frame, stack, instruction):
        self._build(state, stack, instruction.arg, list)

    def do_list_extend(self, state, frame, stack, instruction):
        v = stack.pop()
        made = stack[-instruction.arg]
        if not isinstance(v, Const) or type(v.v) is not tuple or not isinstance(made, Tup):
            raise Deopt("a list of such values")
        stack[-instruction.arg] = Tup(made.items + [Const(item) for item in v.v], list)

    def do_format_simple(self, state, frame, stack, instruction):
        stack.append(self.to_str(stack.pop(), state))

    def do_format_with_spec(self, state, frame, stack, instruction):
        spec = stack.pop()
        stack.append(self.format(stack.pop(), spec, state))

    def do_format_value(self, state, frame, stack, instruction):
        if instruction.arg & 3 not in (0, 1):
            raise Deopt("a conversion in an f-string")
        spec = stack.pop() if instruction.arg & 4 else None
        v = stack.pop()
        if instruction.arg & 3:
            v = self.to_str(v, state)
        stack.append(self.to_str(v, state) if spec is None else self.format(v, spec, state))

    def do_convert_value(self, state, frame, stack, instruction):
        if instruction.arg != 1:
            raise Deopt("a conversion in an f-string")
        stack.append(self.to_str(stack.pop(), state))

    def do_build_string(self, state, frame, stack, instruction):
        parts = [stack.pop() for _ in range(instruction.arg)][::-1]
        if any(type_of(part) != TEXT for part in parts):
            raise Deopt("an f-string of such values")
        stack.append(self.concat(parts, state))


