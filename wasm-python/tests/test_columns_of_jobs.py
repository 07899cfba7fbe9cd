"""Functions as jobs have them run as columns, with the interpreter's answers: each that job_functions.py has."""

import ast
import pathlib

import column_programs
import column_runs
import native_guest
import pytest

FILE = pathlib.Path(__file__).with_name("job_functions.py")
SOURCE = FILE.read_text()
NAMES = [node.name for node in ast.parse(SOURCE).body if isinstance(node, ast.FunctionDef) and node.decorator_list and "udf" in ast.dump(node.decorator_list[0])]

TYPES = {"int": "int64", "float": "double", "str": "string", "bool": "bool", "bytes": "binary", "datetime.date": "date32[day]"}
TYPES |= {"datetime.datetime": "timestamp[us]", "Decimal": "decimal128(15, 2)"}

TEXTS = ["+49 (151) 234-5678", "0049151 2345678", "555-123-4567", "5551234567", "anna.schmidt@example.com", "BOB@Example.ORG", "a@b@c", "@", "no mail"]
TEXTS += ["The quick  brown fox", "  Hello,   World! ", "one", "Ünïcode Straße é", "x\u00a0y z", "a\u2003b", "[warn] 1234 disk is full", "[] 12 x", "GET / status=404 ms=12"]
TEXTS += ["4539578763621486", "4539578763621487", "79927398713", "4006381333931", "4006381333932", "12/31/1999", "02/30/2024", "1/2/2024", "42", " 17 ", "-3", "4.5", "1,5"]
TEXTS += ["key = value", "a=b=c", "/tmp/archive.tar.GZ", "a,b;c", "Schmidt, Anna", "snake_case_name", "HTTPServer", "camelCaseName", "Level", "ABC_DEF", "aeiou"]
TEXTS += ["https://shop.example.com:8080/p?x=1&id=77&y", "?id=", "10.0.0.1", "192.168.1.254", "1.2.3", "1.2.3.x", "23:59:59", "1:2", "de", "fr", " US ", "ok", "done", "failed"]
TEXTS += ["yes", " TRUE", "N", "level", "A man a plan a canal Panama", "line\nline two\r\n", "deadbeef", "y", "1", "true "]
TEXTS += ['{"price": 2.5, "quantity": 4, "user": {"id": "u1"}}', '{"price": 3}', '{"user": {"id": 7}}', "{", '{"user": {}}']


def value(r, type):
    if type == "string" and r.random() < 0.7:
        return r.choice(TEXTS)
    if type == "int64" and r.random() < 0.6:
        return r.choice([0, 1, 2, 3, 7, 9, 10, 12, 26, 200, 404, 1999, 2000, 2024, 1234567, -5, -1234567, 10**12])
    if type == "double" and r.random() < 0.6:
        return round(r.uniform(-200, 2000), r.choice([0, 1, 2, 5]))
    return column_programs.value(r, type)


class Job:
    """A function with its types, for column_runs."""

    def __init__(self, name):
        self.name, self.source = name, SOURCE
        node = next(node for node in ast.parse(SOURCE).body if getattr(node, "name", None) == name)
        spelled = [ast.unparse(argument.annotation) for argument in node.args.args]
        self.types = [TYPES[text.removesuffix(" | None")] for text in spelled]
        self.optional = [text.endswith(" | None") for text in spelled]


@pytest.mark.parametrize("name", NAMES)
def test_jobs(name):
    job, r = Job(name), column_programs.random.Random(name)
    columns = [[None if optional and r.random() < 0.2 else value(r, type) for _ in range(900)] for type, optional in zip(job.types, job.optional)]
    before = column_runs.counts["lifted"]
    assert column_runs.compare(job, columns, cuts=(None,)) is None
    assert column_runs.counts["lifted"] == before + 1, column_runs.summary()
