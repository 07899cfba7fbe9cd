# /// script
# dependencies = [
#     "pyparsing==3.2.5",
# ]
# ///
from pyparsing import Word, infix_notation, nums, one_of, OpAssoc

number = Word(nums).set_parse_action(lambda tokens: int(tokens[0]))
sums = infix_notation(number, [(one_of("* /"), 2, OpAssoc.LEFT), (one_of("+ -"), 2, OpAssoc.LEFT)])
print(sums.parse_string("1+2*3").as_list())
