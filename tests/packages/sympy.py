# /// script
# dependencies = [
#     "sympy==1.14.0",
# ]
# ///
from sympy import Eq, Matrix, diff, integrate, sin, solve, symbols

x = symbols("x")
assert diff(sin(x) * x, x) == sin(x) + x * diff(sin(x), x)
assert integrate(2 * x, (x, 0, 3)) == 9 and solve(Eq(x**2, 4), x) == [-2, 2]
print(Matrix([[1, 2], [3, 4]]).det())
