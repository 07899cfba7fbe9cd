# /// script
# dependencies = [
#     "lark==1.3.0",
# ]
# ///
from lark import Lark

grammar = 'start: sum\nsum: NUMBER ("+" NUMBER)*\nNUMBER: /[0-9]+/\n%ignore " "'
print([str(token) for token in Lark(grammar, parser="lalr").parse("1 + 22").children[0].children])
