# /// script
# dependencies = [
#     "jinja2==3.1.6",
# ]
# ///
from jinja2 import DictLoader, Environment
from jinja2.sandbox import SandboxedEnvironment

templates = {"base": "<{% block body %}{% endblock %}>", "page": "{% extends 'base' %}{% block body %}{{ rows|join(', ') }}{% endblock %}"}
assert Environment(loader=DictLoader(templates)).get_template("page").render(rows=[1, 2]) == "<1, 2>"
assert Environment(autoescape=True).from_string("{{ x }}").render(x="<b>") == "&lt;b&gt;"
print(SandboxedEnvironment().from_string("{% for i in range(3) %}{{ loop.index }}{% endfor %}").render())
