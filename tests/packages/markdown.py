# /// script
# dependencies = [
#     "markdown==3.9",
# ]
# ///
import markdown

print(markdown.markdown("# A\n\n| x | y |\n|---|---|\n| 1 | 2 |", extensions=["tables"]).count("<td>"))
