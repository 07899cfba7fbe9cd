# /// script
# dependencies = [
#     "unidecode==1.4.0",
#     "python-slugify==8.0.4",
# ]
# ///
from slugify import slugify
from unidecode import unidecode

assert unidecode("Zürich") == "Zurich"
print(slugify("Crème Brûlée & co"))
