# /// script
# dependencies = [
#     "rich==14.1.0",
# ]
# ///
import io

from rich.console import Console
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table

table = Table("a", "b")
table.add_row("1", "2")
console = Console(file=io.StringIO(), width=40)
for what in (table, Markdown("# title"), Syntax("x = 1", "python")):
    console.print(what)
text = console.file.getvalue()
assert "title" in text and "x = 1" in text
print(len(text.splitlines()))
