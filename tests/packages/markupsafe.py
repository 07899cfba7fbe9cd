# /// script
# dependencies = [
#     "markupsafe==3.0.4",
# ]
# ///
from markupsafe import Markup, escape

assert escape("<a & b>") == "&lt;a &amp; b&gt;"
print(Markup("<em>{}</em>").format("<script>"))
