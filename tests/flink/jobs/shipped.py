"""What a job ships, what it says, and how it fails."""

from pyflink.common import Configuration, Types
from pyflink.table import DataTypes
from pyflink.table.expressions import col
from pyflink.table.udf import ScalarFunction, udf

from . import feature, folder, pairs, rows, streams, tables, values


@feature("python files: a module, a zip, a folder")
def python_files():
    import zipfile

    place = folder()
    (place / "one_module.py").write_text("def f(x):\n    return x + 1\n")
    with zipfile.ZipFile(place / "zipped.zip", "w") as archive:
        archive.writestr("two_module.py", "def f(x):\n    return x * 2\n")
    (place / "package").mkdir()
    (place / "package" / "three_module.py").write_text("def f(x):\n    return -x\n")

    @udf(result_type=DataTypes.BIGINT())
    def all_three(x):
        import one_module
        import three_module
        import two_module

        return three_module.f(two_module.f(one_module.f(x)))

    t = tables()
    for name in ("one_module.py", "zipped.zip", "package"):
        t.add_python_file(str(place / name))
    return rows(t.from_elements([(1,), (2,)], ["x"]).select(all_three(col("x"))))


@feature("archives: files by relative paths")
def archives():
    import zipfile

    place = folder()
    with zipfile.ZipFile(place / "data.zip", "w") as archive:
        archive.writestr("rates/today.txt", "1.5")

    @udf(result_type=DataTypes.DOUBLE())
    def rated(x):
        with open("model/rates/today.txt") as file:
            return x * float(file.read())

    t = tables()
    t.add_python_archive(str(place / "data.zip"), "model")
    return rows(t.from_elements([(1,), (2,)], ["x"]).select(rated(col("x"))))


def _digest(text):
    import base64
    import hashlib

    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@feature("requirements: packages from a folder of the job's")
def requirements():
    import zipfile

    place = folder()
    (place / "packages").mkdir()
    files = {
        "greeting.py": "def greet(name):\n    return f'hello {name}'\n",
        "greeting-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        "greeting-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "greeting-1.0.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()]
    with zipfile.ZipFile(place / "packages" / "greeting-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in [*files.items(), (record, "\n".join([*lines, f"{record},,"]) + "\n")]:
            wheel.writestr(name, text)
    (place / "requirements.txt").write_text("greeting==1.0\n")

    @udf(result_type=DataTypes.STRING())
    def greet(x):
        import greeting

        return greeting.greet(x)

    t = tables()
    t.set_python_requirements(str(place / "requirements.txt"), str(place / "packages"))
    return rows(t.from_elements([(1,), (2,)], ["x"]).select(greet(col("x"))))


@feature("prints and logs in the TaskManager's log")
def logs():
    def says(pair):
        import logging

        print("a function prints", pair[0])
        logging.getLogger("mine").info("a function logs %s", pair[0])
        logging.getLogger("mine.open").debug("in detail %s", pair[0])
        logging.getLogger("mine.shut").warning("in vain %s", pair[0])
        return pair[0]

    environment = streams()
    levels = Configuration()
    levels.set_string("python.logging.level.overrides", "mine.open:DEBUG,mine.shut:ERROR")
    environment.configure(levels)
    return values(pairs(environment).map(says, Types.STRING()))


@feature("metrics")
def metrics():
    class Measured(ScalarFunction):
        def open(self, context):
            group = context.get_metric_group().add_group("mine")
            self.counter = group.counter("seen")
            self.meter = group.meter("rate")
            self.distribution = group.distribution("values")
            self.last = 0
            group.gauge("last", lambda: self.last)

        def eval(self, x):
            self.counter.inc()
            self.meter.mark_event(1)
            self.distribution.update(x)
            self.last = x
            return self.counter.get_count() > 0

    t = tables()
    t.get_config().set("python.metric.enabled", "true")
    return rows(t.from_elements([(i,) for i in range(5)], ["x"]).select(udf(Measured(), result_type=DataTypes.BOOLEAN())(col("x"))))


@feature("an exception reaches the client with its traceback")
def exception():
    def fails(pair):
        raise ValueError(f"no {pair[0]}")

    try:
        values(pairs(streams()).map(fails, Types.STRING()))
    except Exception as error:  # whatever class Java's becomes
        text = str(error)
        return "ValueError: no a" in text, "fails" in text
    return "no exception"
