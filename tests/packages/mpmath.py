# /// script
# dependencies = [
#     "mpmath==1.3.0",
# ]
# ///
from mpmath import mp, mpf, quad, sin, zeta

mp.dps = 40
assert abs(quad(sin, [0, mp.pi]) - 2) < mpf(10) ** -30
print(str(zeta(3))[:20])
