//! What needs the image `data`: `make test-data` builds it and runs these. `cargo test` by itself does not.

mod support;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, TimestampMicrosecondArray};
use serde_json::Value;
use support::{Ended, Folder};

const FUNCTIONS: &str = r#"
import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import udf as flink_udf, udaf as flink_udaf
from vivarium import udaf, udf, udtf
from typing import Iterator

@udf(vectorized="pandas")
def total(a: int, b: int) -> int:
    return a + b

@udf(vectorized="pandas")
def shout(s: str) -> str:
    return s.str.upper()

@flink_udf(result_type=DataTypes.BIGINT(), func_type="pandas")
def flink_total(a, b):
    return a + b

@udf(vectorized="pandas", result_type="struct<n: int64, text: string>")
def frame(a: int, s: str):
    return pd.DataFrame({"text": s + "!", "n": a * 2})

@udf(vectorized="pandas", input_types=["int64"], result_type="int64")
def iterated(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    for a in batches:
        yield a.fillna(0) + 1

@udaf(vectorized="pandas")
def middle(a: int) -> float:
    return a.median()

@flink_udaf(result_type=DataTypes.DOUBLE(), func_type="pandas")
def mean(a):
    return a.mean()

@udf(vectorized="pandas", input_types=["timestamp[us, tz=Europe/Berlin]"], result_type="timestamp[us, tz=Europe/Berlin]")
def midnight(t):
    return t.dt.normalize()

@udf(vectorized="pandas", input_types=["decimal128(10, 2)"], result_type="decimal128(10, 2)")
def doubled(d):
    return d * 2

@udtf(vectorized="pandas", input_types="table(a int64, s string)", result_type="table(letter string, n int64)")
def letters(frame: pd.DataFrame) -> pd.DataFrame:
    repeated = frame.loc[frame.index.repeat(frame.a)]
    return pd.DataFrame({"letter": repeated.s.str[0], "n": repeated.groupby(level=0).cumcount()}, index=repeated.index)[::-1]

@udf(vectorized="pandas", input_types="table(a int64, b int64)", result_type="int64")
def whole(batches: Iterator[pd.DataFrame]) -> Iterator[pd.Series]:
    for frame in batches:
        yield frame.sum(axis=1)

@udf(vectorized="pandas")
def bad(a: int) -> int:
    if (a == 2).any():
        raise ValueError("two")
    return a
"#;

const TABLE: &str = "a,b,s\n1,10,x\n2,20,çd\n3,,z\n";

fn run(function: &str, options: &[&str]) -> Ended {
    let folder = Folder::with(&[("f.py", FUNCTIONS), ("t.csv", TABLE)]);
    let function = format!("f.py::{function}");
    let common = ["run", &function, "--image", "data", "-i", "t.csv", "-o", "-", "--quiet", "--instances", "2"];
    folder.run(&[&common[..], options].concat())
}

fn last_column(ended: Ended) -> Vec<String> {
    let lines = ended.ok().stdout;
    lines.lines().skip(1).map(|line| line.rsplit_once(',').unwrap().1.to_owned()).collect()
}

#[test]
fn series_in_and_out() {
    assert_eq!(last_column(run("total", &[])), ["11", "22", ""]);
    assert_eq!(last_column(run("flink_total", &[])), ["11", "22", ""]);
    assert_eq!(last_column(run("shout", &[])), ["X", "ÇD", "Z"]);
    assert_eq!(last_column(run("iterated", &["--args", "b"])), ["11", "21", ""]);
}

#[test]
fn frames_are_structs() {
    let output = ["--output-format", "json"];
    let ended = run("frame", &output).ok();
    let rows: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[1]["frame"], serde_json::json!({"n": 4, "text": "çd!"}));
}

#[test]
fn table_functions_return_frames() {
    let expected = "a,b,s,letter,n\n1,10,x,x,0\n2,20,çd,ç,1\n2,20,çd,ç,0\n3,,z,z,2\n3,,z,z,1\n3,,z,z,0\n";
    assert_eq!(run("letters", &[]).ok().stdout, expected);
    assert_eq!(last_column(run("whole", &[])), ["11", "22", ""]);
}

#[test]
fn a_file_says_which_image_it_is_written_for() {
    let headed = |image: &str| format!("# /// script\n# [tool.vivarium]\n# image = \"{image}\"\n# ///\n{FUNCTIONS}");
    let folder = Folder::with(&[
        ("f.py", &headed("data")),
        ("unknown.py", &headed("dataa")),
        ("flink.py", &headed("flink")),
        (
            "s.py",
            "# /// script\n# [tool.vivarium]\n# image = \"data\"\n# ///\nimport pandas\nprint(pandas.__version__)\n",
        ),
        ("t.csv", TABLE),
    ]);
    let ended = folder.run(&["run", "f.py::total", "-i", "t.csv", "-o", "-", "--quiet"]);
    assert_eq!(last_column(ended), ["11", "22", ""]);
    assert_eq!(folder.run(&["exec", "s.py"]).ok().stdout, "2.3.3\n");
    assert!(folder.run(&["check", "f.py"]).ok().stdout.contains("letters"));
    let sql = "SELECT s, middle(a) AS m, sum(total(a, 1)) AS t FROM t GROUP BY s ORDER BY m";
    let output = ["--table", "t=t.csv", "--output", "-", "--output-format", "csv", "--quiet"];
    let ended = folder.run(&[&["sql", sql, "--udf", "f.py"], &output[..]].concat()).ok();
    assert_eq!(ended.stdout, "s,m,t\nx,1.0,2\nçd,2.0,3\nz,3.0,4\n");
    for (arguments, status, said) in [
        (&["run", "f.py::total", "-i", "t.csv", "--image", "base"][..], 2, "--image says `base`"),
        (&["check", "unknown.py"], 4, "there is no image `dataa`; there are base, data"),
        (&["sql", sql, "--udf", "f.py", "--udf", "flink.py"], 2, "the header of another file says `data`"),
    ] {
        let ended = folder.run(arguments);
        assert_eq!(ended.status, status, "{ended}");
        assert!(ended.stderr.contains(said), "{ended}");
    }
}

#[test]
fn sql_chooses_the_image_before_anything_runs() {
    let script = "SET vivarium.image = 'data';
CREATE FUNCTION middle(x DOUBLE) RETURNS DOUBLE LANGUAGE PYTHON AS $$
from vivarium import udaf
@udaf(vectorized='pandas')
def middle(x: float) -> float:
    return x.median()
$$;
SELECT s, middle(a) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS m FROM t ORDER BY s;";
    let folder =
        Folder::with(&[("q.sql", script), ("late.sql", "SELECT 1; SET vivarium.image = 'data';"), ("t.csv", TABLE)]);
    let output = ["--table", "t=t.csv", "--output", "-", "--output-format", "csv", "--quiet"];
    let ended = folder.run(&[&["sql", "--file", "q.sql"], &output[..]].concat()).ok();
    assert_eq!(ended.stdout, "s,m\nx,1.0\nz,2.5\nçd,1.5\n");
    let ended = folder.run(&["sql", "--file", "late.sql", "--quiet"]);
    assert_ne!(ended.status, 0);
    assert!(ended.stderr.contains("this session has no image `data`, but base"), "{ended}");
}

#[test]
fn aggregates_see_their_group() {
    assert_eq!(run("middle", &[]).ok().stdout, "middle\n2.0\n");
    assert_eq!(run("mean", &["--group-by", "s", "--args", "a"]).ok().stdout, "s,mean\nx,1.0\nçd,2.0\nz,3.0\n");
}

#[test]
fn time_zones_and_decimals_are_exact() {
    let folder = Folder::with(&[("f.py", FUNCTIONS)]);
    // 2024-03-31T12:00:00Z: the day on which clocks in Berlin were put forward.
    let times: ArrayRef = Arc::new(
        TimestampMicrosecondArray::from(vec![Some(1_711_886_400_000_000), None]).with_timezone("Europe/Berlin"),
    );
    let prices = Decimal128Array::from(vec![Some(12_345), None]).with_precision_and_scale(10, 2).unwrap();
    support::write_parquet(&folder.path("t.parquet"), &support::batch(&[("t", times), ("d", Arc::new(prices))]));
    let common = ["--image", "data", "-i", "t.parquet", "-o", "r.parquet", "--quiet"];
    folder.run(&[&["run", "f.py::midnight"], &common[..]].concat()).ok();
    let result = support::read_parquet(&folder.path("r.parquet"));
    let midnight =
        result.column_by_name("midnight").unwrap().as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
    assert_eq!((midnight.value(0), midnight.is_null(1)), (1_711_839_600_000_000, true));
    std::fs::remove_file(folder.path("r.parquet")).unwrap();
    folder.run(&[&["run", "f.py::doubled"], &common[..]].concat()).ok();
    let result = support::read_parquet(&folder.path("r.parquet"));
    let doubled = result.column_by_name("doubled").unwrap().as_primitive::<arrow::datatypes::Decimal128Type>();
    assert_eq!((doubled.value(0), doubled.is_null(1)), (24_690, true));
}

#[test]
fn a_row_that_fails_is_found_among_its_batch() {
    assert_eq!(last_column(run("bad", &["--on-error", "null"])), ["1", "", "3"]);
    let ended = run("bad", &[]);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("ValueError: two"), "{ended}");
}

#[test]
fn the_images_packages_count_as_installed() {
    let folder =
        Folder::with(&[("r.txt", "pandas>=2\npython-dateutil\nnumpy\nprotobuf\n"), ("old.txt", "pandas==1.5\n")]);
    let offline = ["--image", "data", "--offline", "--env-store", "store", "--quiet"];
    let code = "import pandas, google.protobuf, dateutil, importlib.metadata as m; print(m.version('pandas'))";
    let ended = folder.run(&[&["exec", "-pyreq", "r.txt"], &offline[..], &["-c", code]].concat()).ok();
    assert_eq!(ended.stdout, "2.3.3\n");
    let ended = folder.run(&[&["exec", "-pyreq", "old.txt"], &offline[..], &["-c", code]].concat());
    assert_eq!(ended.status, 4, "{ended}");
    assert!(ended.stderr.contains("2.3.3"), "{ended}");
}

#[test]
fn every_package_imports_and_knows_its_version() {
    let folder = Folder::new();
    let info: Value =
        serde_json::from_str(&folder.run(&["guest", "info", "--image", "data", "--json"]).ok().stdout).unwrap();
    assert_eq!(info["name"], "data");
    let modules = "attr attrs avro charset_normalizer cloudpickle dateutil idna jsonpickle packaging google.protobuf pyasn1 \
                   pyparsing pytz rsa ruamel.yaml six toolz typing_extensions tzdata numpy pandas";
    let code = format!(
        "import importlib, importlib.metadata as m, json, sys\nfor name in {modules:?}.split(): importlib.import_module(name)\n\
         print(json.dumps({{name: m.version(name) for name in sys.argv[1:]}}))"
    );
    let packages = info["packages"].as_object().unwrap();
    let names: Vec<&str> = packages.keys().map(String::as_str).collect();
    let ended = folder.run(&[&["exec", "--image", "data", "--quiet", "-c", &code], &names[..]].concat()).ok();
    assert_eq!(serde_json::from_str::<Value>(&ended.stdout).unwrap(), info["packages"]);
}

#[test]
fn packages_do_their_main_thing() {
    let code = r#"
import cloudpickle, io, jsonpickle, pytz, datetime, toolz, rsa, idna, pickle
import avro.schema, avro.io
from charset_normalizer import from_bytes
from dateutil import parser, tz
from google.protobuf import struct_pb2, json_format
from ruamel.yaml import YAML
import attrs, pyparsing, packaging.version, typing_extensions
import pandas as pd

assert pickle.loads(cloudpickle.dumps(lambda x: x + 1))(1) == 2
assert pytz.timezone("Europe/Rome").utcoffset(datetime.datetime(2024, 7, 1)).seconds == 7200
assert tz.gettz("Europe/Rome") is not None and parser.parse("5 Jan 2021 3pm").hour == 15
message = struct_pb2.Struct(); message["a"] = 1.5
assert json_format.Parse(json_format.MessageToJson(message), struct_pb2.Struct()) == message
schema = avro.schema.parse('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}')
out = io.BytesIO(); avro.io.DatumWriter(schema).write({"a": 7}, avro.io.BinaryEncoder(out))
assert avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(out.getvalue()))) == {"a": 7}
assert YAML(typ="safe", pure=True).load("a: [1, 2]") == {"a": [1, 2]}
assert jsonpickle.decode(jsonpickle.encode({"a": (1, 2)})) == {"a": (1, 2)}
assert idna.encode("bücher.example") == b"xn--bcher-kva.example" and list(toolz.partition(2, range(4))) == [(0, 1), (2, 3)]
assert str(from_bytes("déjà vu".encode("utf-8")).best()) == "déjà vu"
assert pyparsing.Word(pyparsing.nums).parse_string("12")[0] == "12"
public, private = rsa.newkeys(512)
assert rsa.verify(b"m", rsa.sign(b"m", private, "SHA-256"), public) == "SHA-256"
frame = pd.DataFrame({"k": ["a", "b", "a"], "v": [1, 2, 3], "t": pd.to_datetime(["2024-01-31"] * 3, utc=True)})
assert frame.groupby("k").v.sum().to_dict() == {"a": 4, "b": 2}
assert frame.t.dt.tz_convert("America/New_York").dt.hour.tolist() == [19, 19, 19]
assert pd.crosstab(frame.k, frame.v).shape == (2, 3) and frame.merge(frame, on="k").shape == (5, 5)
assert pd.read_csv(io.StringIO("a;b\n1;x\n"), sep=";").to_json() == '{"a":{"0":1},"b":{"0":"x"}}'
print("all")
"#;
    let ended = Folder::new().run(&["exec", "--image", "data", "-c", code]).ok();
    assert_eq!(ended.stdout, "all\n");
}

#[test]
fn numpy_functions_work_as_in_the_other_image() {
    let functions = "from vivarium import udf\n@udf(vectorized=True)\ndef f(a: int) -> int:\n    return a * 2\n";
    let folder = Folder::with(&[("f.py", functions), ("t.csv", TABLE)]);
    let results = ["base", "data"].map(|image| {
        let ended = folder.run(&["run", "f.py", "--image", image, "-i", "t.csv", "-o", "-", "--quiet"]).ok();
        ended.stdout
    });
    assert_eq!(results[0], results[1]);
}
