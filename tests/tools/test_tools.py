"""tools/: what cargo and the guest's build write is understood, tarballs are the same whenever they are made, links are checked;
tests/crates: licences and public interfaces are read.

python3 -m unittest discover -s tests/tools
"""

import gzip
import io
import sys
import tarfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "crates")]

import api  # noqa: E402  found through the path above
import check  # noqa: E402
import dist  # noqa: E402
import docs  # noqa: E402
import first  # noqa: E402


class Progress(unittest.TestCase):
    def test_cargos_line_says_how_far_it_is(self):
        crates = first.Crates(["cargo"], 100)
        crates.line("    Building [=====>        ] 103/412: wasmtime, arrow-cast(build), h2", "err")
        self.assertEqual((crates.done, crates.total, crates.known), (103, 412, True))
        for line in ("   Compiling h2 v0.4.20", "  Downloaded h2 v0.4.20", "    Finished `dev` profile in 1s", "   "):
            crates.line(line, "err")
        self.assertEqual(crates.warnings(), "")
        crates.line("error[E0308]: mismatched types", "err")
        self.assertIn("E0308", crates.warnings())

    def test_the_guests_events_say_how_far_it_is(self):
        guest = first.Guest.__new__(first.Guest)
        guest.steps, guest.step, guest.index, guest.text, guest.known = [], "", 0, [], False
        guest.line('{"event": "plan", "steps": [{"step": "native", "description": "d", "done": false}]}', "out")
        guest.line('{"event": "started", "step": "native", "index": 1, "description": "build CPython", "log": "l"}', "out")
        self.assertEqual((guest.known, guest.step, guest.index), (True, "build CPython", 1))
        guest.line('{"event": "finished", "step": "native", "index": 1, "seconds": 1.0, "cached": false}', "out")
        self.assertTrue(guest.steps[0]["done"])
        guest.line("a compiler's complaint", "err")
        self.assertEqual(guest.text, ["a compiler's complaint"])


class Tarball(unittest.TestCase):
    def test_equal_files_give_equal_bytes_in_any_order(self):
        one = dist._packed("v", {"bin/p": b"1", "a/b/c": b"2"}, 7)
        self.assertEqual(one, dist._packed("v", {"a/b/c": b"2", "bin/p": b"1"}, 7))
        tar = tarfile.open(fileobj=io.BytesIO(gzip.decompress(one)))
        self.assertEqual(tar.getnames(), ["v", "v/a", "v/a/b", "v/a/b/c", "v/bin", "v/bin/p"])
        self.assertEqual({(entry.mtime, entry.uid, entry.uname) for entry in tar}, {(7, 0, "root")})
        self.assertEqual((tar.getmember("v/bin/p").mode, tar.getmember("v/a/b/c").mode), (0o755, 0o644))


class Links(unittest.TestCase):
    def test_links_in_code_and_to_other_places_are_left_alone(self):
        text = "[a](b.md#c) [d](https://e)\n```\n[f](g.md)\n```\n![h](i.svg)"
        self.assertEqual(docs._links(text), ["b.md#c"])

    def test_headings_have_the_anchors_that_links_use(self):
        self.assertEqual(docs._headings("# A `b`, c!\n## What [it](x) costs"), {"a-b-c", "what-it-costs"})

    def test_every_link_leads_somewhere(self):
        self.assertEqual(docs.check(), [])


class Licences(unittest.TestCase):
    def test_expressions_are_understood(self):
        allowed = {"MIT", "Apache-2.0 WITH LLVM-exception"}
        for expression, expected in {
            "MIT": True,
            "GPL-3.0 OR MIT": True,
            "GPL-3.0 AND MIT": False,
            "(GPL-3.0 OR Apache-2.0 WITH LLVM-exception) AND MIT": True,
            "MIT/GPL-2.0": True,
            "GPL-2.0": False,
        }.items():
            self.assertEqual(check.satisfied(expression, allowed), expected, expression)


class Interface(unittest.TestCase):
    PAGE = """
        <pre class="rust item-decl"><code>#[non_exhaustive]
        pub struct Limits {
        <details><summary>Show 1 field</summary>    pub memory: <a>u64</a>,
        </details>}</code></pre>
        <h2 id="implementations">Implementations</h2><section class="impl"><h3 class="code-header">impl Limits</h3></section>
        <section class="method"><h4 class="code-header">pub fn <a>within</a>(&amp;self) -&gt; Self<a class="tooltip">i</a></h4></section>
        <h2 id="trait-implementations">Traits</h2><section class="impl"><h3 class="code-header">impl Clone for Limits</h3></section>
        <section class="method trait-impl"><h4 class="code-header">fn clone(&amp;self)</h4></section>
        <h2 id="synthetic-implementations">Auto</h2><section class="impl"><h3 class="code-header">impl Send for Limits</h3></section>
        <section class="impl"><h3 class="code-header">impl !Sync for Limits</h3></section>
        <h2 id="blanket-implementations">Blanket</h2><section class="impl"><h3 class="code-header">impl&lt;T&gt; Any for T</h3></section>"""

    def test_a_page_says_what_an_item_promises(self):
        lines = [line.strip() for line in api.Page(self.PAGE).lines()]
        declaration = ["#[non_exhaustive]", "pub struct Limits {", "pub memory: u64,", "}"]
        self.assertEqual(lines, [*declaration, "pub fn within(&self) -> Self", "impl !Sync for Limits", "impl Clone for Limits"])

    def test_what_goes_breaks_and_what_comes_may(self):
        open_struct = ["#[non_exhaustive]", "pub struct A {", "    pub a: u8,", "}"]
        wider = [*open_struct[:3], "    pub b: u8,", "}", "pub fn new() -> A"]
        self.assertEqual(api.changes(open_struct, wider), ([], ["    pub b: u8,", "pub fn new() -> A"]))
        self.assertEqual(api.changes(wider, open_struct), (["    pub b: u8,", "pub fn new() -> A"], []))
        self.assertEqual(api.changes(open_struct[1:], wider[1:]), (["    pub b: u8,"], ["pub fn new() -> A"]))
        private = ["pub struct A { /* private fields */ }"]
        self.assertEqual(api.changes(private, [*private, "impl Clone for A"]), ([], ["impl Clone for A"]))

    def test_versions_rise_with_what_has_changed(self):
        for released, breaking, additions, expected in (
            ((0, 1, 4), True, True, (0, 2, 0)),
            ((0, 1, 4), False, True, (0, 1, 5)),
            ((1, 2, 3), True, False, (2, 0, 0)),
            ((1, 2, 3), False, True, (1, 3, 0)),
            ((1, 2, 3), False, False, (1, 2, 3)),
        ):
            self.assertEqual(api.needed_version(released, breaking, additions), expected)


if __name__ == "__main__":
    unittest.main()
