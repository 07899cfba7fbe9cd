# /// script
# dependencies = [
#     "requests==2.32.5",
# ]
# ///
import requests

request = requests.Request("POST", "https://example.org/a", params={"q": "x y"}, json={"n": 1}, headers={"A": "b"}).prepare()
assert request.url == "https://example.org/a?q=x+y" and request.body == b'{"n": 1}'

class Answers(requests.adapters.BaseAdapter):
    """A transport that answers by itself."""

    def send(self, request, **_):
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = 200, request, request.url
        answer._content, answer.headers["Content-Type"] = b'{"path": "%s"}' % request.path_url.encode(), "application/json"
        return answer

    def close(self):
        pass

session = requests.Session()
session.mount("http://answers", Answers())
assert session.get("http://answers/a", params={"b": 1}).json() == {"path": "/a?b=1"}
try:
    requests.get("http://example.org", timeout=1)
except requests.ConnectionError as error:
    print(type(error).__name__)  # there is no network
else:
    raise SystemExit("there is a network")
