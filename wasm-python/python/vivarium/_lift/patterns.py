"""Constant regular expressions: those of which the matcher of columns (shim/kernels/patterns.c) tries what the interpreter's tries."""

import re
import re._constants as codes
import re._parser

from vivarium._lift.bytecode import OLDER
from vivarium._lift.sequences import END, listed
from vivarium._lift.values import BOOL, NUMBER, TEXT, Const, Deopt, Made, Reg, Tup, type_of

_MATCH, _ONE, _GREEDY, _LAZY, _SPLIT, _JUMP, _MARK, _AT, _LOOK, _LOOKED = range(10)
_PLACES = {
    codes.AT_BEGINNING: 0,
    codes.AT_BEGINNING_STRING: 0,
    codes.AT_END_STRING: 1,
    codes.AT_END: 2,
    codes.AT_BOUNDARY: 3,
    codes.AT_NON_BOUNDARY: 4,
}
_FLAGS = re.UNICODE | re.ASCII | re.IGNORECASE | re.DOTALL

_DIGITS, _WORD = set(range(48, 58)), {k for k in range(128) if chr(k).isalnum()} | {95}
_SPACES, _ASCII_SPACES = {k for k in range(128) if chr(k).isspace()}, set(b" \t\n\r\f\v")
_ALL = set(range(128))

_MOST_INSTRUCTIONS = 300
_MOST_GROUPS = 30
_MOST_PIECES = 60
_ANY_NUMBER = int(codes.MAXREPEAT)

FUNCTIONS = {re.search: "search", re.match: "match", re.fullmatch: "fullmatch", re.sub: "sub", re.split: "split", re.findall: "findall"}
_WAYS = ("search", "match", "fullmatch")


class _Compiler:
    def __init__(self, pattern):
        if not isinstance(pattern.pattern, str) or pattern.flags & ~_FLAGS or pattern.groups > _MOST_GROUPS:
            raise Deopt("such a regular expression")
        self.flags = pattern.flags
        self.instructions, self.sets = [], []
        self.optional = set()
        """Groups that a match may leave out."""
        tree = re._parser.parse(pattern.pattern, pattern.flags)
        self.least = tree.getwidth()[0]
        self._sequence(tree, False, False)
        self._add(_MATCH)

    def _add(self, *words):
        if len(self.instructions) >= _MOST_INSTRUCTIONS:
            raise Deopt("a large regular expression")
        self.instructions.append([*words, *[0] * (4 - len(words))])
        return len(self.instructions) - 1

    def _set(self, members):
        members = frozenset(members)
        if members not in self.sets:
            self.sets.append(members)
        return self.sets.index(members)

    # ---- One character ----

    def _cased(self, members):
        if not self.flags & re.IGNORECASE:
            return members
        return members | {ord(chr(k).swapcase()) for k in members}

    def _literal(self, number):
        if number > 127 and self.flags & re.IGNORECASE:
            raise Deopt("a regular expression beyond ASCII that ignores case")
        return self._cased({number} & _ALL)

    def _category(self, category):
        name = str(category).removeprefix("CATEGORY_")
        spaces = _ASCII_SPACES if self.flags & re.ASCII else _SPACES
        known = {"DIGIT": _DIGITS, "WORD": _WORD, "SPACE": spaces}.get(name.removeprefix("NOT_"))
        if known is None:
            raise Deopt("such a class of a regular expression")
        return _ALL - known if name.startswith("NOT_") else known

    def _members(self, op, argument):
        """The characters of ASCII that a node of one character takes; None for other nodes."""
        if op is codes.LITERAL:
            return self._literal(argument)
        if op is codes.NOT_LITERAL:
            return _ALL - self._literal(argument)
        if op is codes.ANY:
            return _ALL if self.flags & re.DOTALL else _ALL - {10}
        return self._class(argument) if op is codes.IN else None

    def _class(self, items):
        members, negated = set(), False
        for op, argument in items:
            if op is codes.NEGATE:
                negated = True
            elif op is codes.LITERAL:
                members |= self._literal(argument)
            elif op is codes.RANGE:
                if argument[1] > 127 and self.flags & re.IGNORECASE:
                    raise Deopt("a regular expression beyond ASCII that ignores case")
                members |= self._cased(set(range(argument[0], min(argument[1], 127) + 1)))
            elif op is codes.CATEGORY:
                members |= self._category(argument)
            else:
                raise Deopt("such a class of a regular expression")
        return _ALL - members if negated else members

    # ---- The rest ----

    def _sequence(self, nodes, repeated, optional):
        for op, argument in nodes:
            members = self._members(op, argument)
            if members is not None:
                self._add(_ONE, self._set(members))
            elif op is codes.AT and argument in _PLACES:
                self._add(_AT, _PLACES[argument])
            elif op is codes.SUBPATTERN:
                self._group(*argument, repeated, optional)
            elif op is codes.BRANCH:
                self._branch(argument[1], repeated)
            elif op in (codes.MAX_REPEAT, codes.MIN_REPEAT):
                self._repeat(op is codes.MAX_REPEAT, *argument, repeated)
            elif op in (codes.ASSERT, codes.ASSERT_NOT):
                self._look(op is codes.ASSERT, *argument)
            else:
                raise Deopt("such a regular expression")

    def _group(self, number, added, removed, nodes, repeated, optional):
        if added or removed or (number is not None and repeated):
            raise Deopt("a group of a regular expression that is repeated")
        if number is None:
            return self._sequence(nodes, repeated, optional)
        if optional:
            self.optional.add(number)
        self._add(_MARK, 2 * number)
        self._sequence(nodes, repeated, optional)
        self._add(_MARK, 2 * number + 1)

    def _branch(self, ways, repeated):
        ends = []
        for k, way in enumerate(ways):
            last = k == len(ways) - 1
            split = None if last else self._add(_SPLIT)
            if split is not None:
                self.instructions[split][1] = split + 1
            self._sequence(way, repeated, True)
            if not last:
                ends.append(self._add(_JUMP))
                self.instructions[split][2] = len(self.instructions)
        for end in ends:
            self.instructions[end][1] = len(self.instructions)

    def _repeat(self, greedy, least, most, nodes, repeated):
        most = -1 if most is codes.MAXREPEAT or most >= _ANY_NUMBER else int(most)
        if least > 1000 or most > 1000:
            raise Deopt("a regular expression with many repetitions")
        members = self._members(*nodes[0]) if len(nodes) == 1 else None
        if members is not None:
            self._add(_GREEDY if greedy else _LAZY, self._set(members), least, most)
            return
        if nodes.getwidth()[0] == 0:
            raise Deopt("a regular expression that repeats what may be empty")
        once = least == 0 and most == 1
        for _ in range(least):
            self._sequence(nodes, True, True)
        splits = []
        for _ in range(most - least if most >= 0 else 1):
            splits.append(self._add(_SPLIT))
            self._sequence(nodes, repeated or not once, True)
        if most < 0:
            self._add(_JUMP, splits[-1])
        for split in splits:
            inside, behind = split + 1, len(self.instructions)
            self.instructions[split][1:3] = (inside, behind) if greedy else (behind, inside)

    def _look(self, there, direction, nodes):
        """Lookahead and, which has a width, lookbehind."""
        back = nodes.getwidth()[0] if direction < 0 else 0
        look = self._add(_LOOK, 0, int(there), back)
        self._sequence(nodes, True, True)
        self._add(_LOOKED)
        self.instructions[look][1] = len(self.instructions)

    def first(self):
        """The set that every match starts with, or -1."""
        for code, a, b, _ in self.instructions:
            if code == _ONE or (code in (_GREEDY, _LAZY) and b > 0):
                return a
            if code != _MARK:
                return -1
        return -1


def _pieces(template, pattern):
    """Of what sub() puts in place of a match: bytes, and the numbers of groups."""
    if "\\" not in template:
        return [template.encode()]
    try:
        parsed = re._parser.parse_template(template, pattern)
    except Exception:
        raise Deopt("sub() raises") from None
    if OLDER:  # the places of groups, and the texts with None there
        groups, texts = parsed
        parsed = [dict(groups).get(k, text) for k, text in enumerate(texts)]
    if len(parsed) > _MOST_PIECES:
        raise Deopt("sub() with such arguments")
    return [piece if type(piece) is int else piece.encode() for piece in parsed if piece != ""]


def is_match(v):
    return isinstance(v, Made) and v.kind == "match"


class Patterns:
    """A match: whether there is one, where its marks are kept, the text."""

    def _compiled(self, pattern):
        """(Compiler, offset in the program's data)"""
        if pattern not in self.patterns:
            made = _Compiler(pattern)
            sets = self.place(b"".join(sum(1 << k for k in members).to_bytes(16, "little") for members in made.sets) or bytes(16))
            words = [word for instruction in made.instructions for word in instruction]
            head = [2 * pattern.groups + 2, len(made.instructions), made.first(), sets]
            self.patterns[pattern] = made, self.numbers("i", *head, *words)
        return self.patterns[pattern]

    def pattern_function(self, name, fn, arguments, state):
        """re.search() and its like with a constant pattern."""
        if not arguments or not isinstance(arguments[0], Const) or type(arguments[0].v) is not str:
            raise Deopt(f"re.{name}() with such arguments")
        self.guards.code(fn)
        try:
            pattern = re.compile(arguments[0].v)
        except Exception:
            raise Deopt("a regular expression that is none") from None
        return self.pattern_method(name, pattern, arguments[1:], state)

    def pattern_method(self, name, pattern, arguments, state):
        if name == "split" and len(arguments) == 1:
            return self._split_by(pattern, arguments[0], state)
        if name == "sub" and len(arguments) == 2:
            return self._substituted(pattern, *arguments, state)
        if name == "findall" and len(arguments) == 1:
            return self._all_of(pattern, arguments[0], state)
        if name not in _WAYS or len(arguments) != 1 or type_of(arguments[0]) != TEXT:
            raise Deopt(f"{name}() of a regular expression with such arguments")
        _, constant = self._compiled(pattern)
        text, mask = self.as_reg(arguments[0]), self.m_reg(state.mask)
        key = ("pattern_find", text, mask, name, constant)
        if key not in self.memo:
            kept = self.reg(NUMBER)
            found = self.emit("pattern_find", BOOL, text, b=kept, mask=mask, extra=_WAYS.index(name), constant=constant, memo=False)
            self.memo[key] = found, kept
        found, kept = self.memo[key]
        return Made("match", pattern, [Reg(BOOL, found), Reg(NUMBER, kept), Reg(TEXT, text)])

    def _replaced_by(self, pieces, text, constant, state):
        """Each match by the pieces: bytes, or the number of a group."""
        words = [len(pieces)]
        for piece in pieces:
            words += (piece, 0, 0) if type(piece) is int else (-1, self.place(piece), len(piece))
        place = self.numbers("i", *words)
        register = self.emit("pattern_replace", TEXT, self.as_reg(text), mask=self.m_reg(state.mask), extra=place, constant=constant)
        return Reg(TEXT, register)

    def _substituted(self, pattern, by, text, state):
        made, constant = self._compiled(pattern)
        if made.least == 0 or not isinstance(by, Const) or type(by.v) is not str or type_of(text) != TEXT:
            raise Deopt("sub() with such arguments")
        return self._replaced_by(_pieces(by.v, pattern), text, constant, state)

    def _all_of(self, pattern, text, state):
        """findall(): the matches, or what their only group has."""
        made, constant = self._compiled(pattern)
        if made.least == 0 or pattern.groups > 1 or type_of(text) != TEXT:
            raise Deopt("findall() with such arguments")
        register = self.emit("pattern_all", TEXT, self.as_reg(text), mask=self.m_reg(state.mask), extra=pattern.groups, constant=constant)
        return listed(Reg(TEXT, register))

    def _split_by(self, pattern, text, state):
        """Without groups, what is between matches: each match becomes the byte that no text has."""
        made, constant = self._compiled(pattern)
        if made.least == 0 or pattern.groups or type_of(text) != TEXT:
            raise Deopt("split() with such arguments")
        return Made("parts", (END, False, False), [self._replaced_by([END], text, constant, state)])

    # ---- Matches ----

    def _there(self, match, state):
        """Rows without a match are the interpreter's."""
        found, kept, text = match.parts
        self.fail_rows(self.m_and(state.mask, found.id, False), "an attribute of None")
        return kept, text

    def _number(self, match, v):
        number = v.v if isinstance(v, Const) else None
        number = match.about.groupindex.get(number) if type(number) is str else number
        if type(number) is not int or not 0 <= number <= match.about.groups:
            raise Deopt("such a group of a match")
        return number

    def match_group(self, match, v, state):
        number = self._number(match, v)
        kept, text = self._there(match, state)
        mask = self.m_reg(state.mask)
        register = self.emit("pattern_group", TEXT, text.id, kept.id, mask=mask, extra=number)
        if number not in self._compiled(match.about)[0].optional:
            return Reg(TEXT, register)
        end = self.emit("pattern_mark", NUMBER, b=kept.id, mask=mask, extra=2 * number + 1)
        return Reg(TEXT, register, none=self.emit("int_lt", BOOL, end, constant=0))

    def match_method(self, name, match, arguments, state):
        if name == "group":
            found = [self.match_group(match, v, state) for v in arguments or [Const(0)]]
            return found[0] if len(found) == 1 else Tup(found)
        if name == "groups" and not arguments:
            return Tup([self.match_group(match, Const(k + 1), state) for k in range(match.about.groups)])
        if name in ("start", "end") and len(arguments) <= 1:
            number = self._number(match, arguments[0] if arguments else Const(0))
            kept, _ = self._there(match, state)
            mark = 2 * number + (name == "end")
            return Reg(NUMBER, self.emit("pattern_mark", NUMBER, b=kept.id, mask=self.m_reg(state.mask), extra=mark))
        raise Deopt(f"{name}() of a match")
