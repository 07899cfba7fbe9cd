# /// script
# dependencies = [
#     "pygments==2.19.2",
# ]
# ///
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

html = highlight("SELECT a FROM t", get_lexer_by_name("sql"), HtmlFormatter(nowrap=True))
assert '<span class="k">SELECT</span>' in html
print(html.strip())
