# /// script
# dependencies = [
#     "beautifulsoup4==4.14.2",
# ]
# ///
from bs4 import BeautifulSoup

page = BeautifulSoup("<div><a href='/x' class=c>one</a><a>two</a></div>", "html.parser")
assert [a.text for a in page.select("a")] == ["one", "two"]
print(page.find("a", class_="c")["href"])
