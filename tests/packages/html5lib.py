# /// script
# dependencies = [
#     "html5lib==1.1",
# ]
# ///
import html5lib

document = html5lib.parse("<p>one<p>two", namespaceHTMLElements=False)
print([paragraph.text for paragraph in document.iter("p")])
