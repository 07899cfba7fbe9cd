# /// script
# dependencies = [
#     "tabulate==0.9.0",
# ]
# ///
from tabulate import tabulate

print(len(tabulate([[1, "a"], [22, "b"]], headers=["n", "s"], tablefmt="github").splitlines()))
