//! A call behind AND, OR, CASE or FILTER is made for the rows that get there alone, whatever the data.

use crate::support::Folder;

const FUNCTIONS: &str = "\
from vivarium import udf, udaf

@udf
def inv(x: int) -> float:
    return 1 / x

@udf
def inc(x: int) -> int:
    return x + 1

@udaf
class cat:
    def create_accumulator(self): return []
    def accumulate(self, acc, s: int): acc.append(str(s))
    def get_value(self, acc) -> str | None: return ','.join(acc) or None
";

fn folder() -> Folder {
    Folder::with(&[("u.py", FUNCTIONS), ("t.csv", "id,v\n1,3\n2,2\n3,1\n4,\n5,0\n")])
}

fn rows(query: &str) -> String {
    let ended = folder().run(&["sql", query, "--udf", "u.py", "--table", "t=t.csv", "-o", "-"]).ok();
    ended.stdout.lines().skip(1).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_guarded_rows_have_no_call() {
    for (query, expected) in [
        ("SELECT id, id <> 2 AND inv(id - 2) > 0.4 AS a FROM t ORDER BY id", "1,false 2,false 3,true 4,true 5,false"),
        ("SELECT id, id = 2 OR inv(id - 2) > 0.4 AS a FROM t ORDER BY id", "1,false 2,true 3,true 4,true 5,false"),
        ("SELECT sum(CASE WHEN id <> 2 AND inv(id - 2) > 0.1 THEN 1 ELSE 0 END) AS s FROM t", "3"),
        ("SELECT sum(CASE WHEN id = 2 THEN 0 ELSE inv(id - 2) END) AS s FROM t WHERE id < 4", "0.0"),
        ("SELECT count(*) FILTER (WHERE id <> 2 AND inv(id - 2) > 0.1) AS c FROM t", "3"),
        ("SELECT count(*) AS c FROM t WHERE (id <> 2 AND inv(id - 2) > 0.1) OR id = 1", "4"),
        ("SELECT count(*) AS c FROM t WHERE NOT (id = 2 OR inv(id - 2) < 0)", "3"),
        ("SELECT count(*) AS c FROM t WHERE id IN (2, 4) AND (id = 2 OR inv(id - 2) = 0.5)", "2"),
        ("SELECT sum(coalesce(NULLIF(id, 2), CAST(inv(id - 1) AS BIGINT))) AS s FROM t WHERE id > 1", "13"),
        (
            "SELECT id % 2 AS k, sum(inv(id - 2)) FILTER (WHERE id <> 2) AS s FROM t GROUP BY k ORDER BY k",
            "0,0.5 1,0.3333333333333333",
        ),
        ("SELECT max(id) FILTER (WHERE v > 1 AND inv(v - 1) > 0) AS m FROM t", "2"),
        ("SELECT count(*) AS c FROM t a LEFT JOIN t b ON a.id = b.id AND (b.id <> 2 AND inv(a.id - 2) > 0)", "5"),
        ("SELECT count(*) AS c FROM t a LEFT JOIN t b ON a.id > b.id AND (a.id = 2 OR inv(a.id - 2) > 0)", "11"),
        ("SELECT id FROM t ORDER BY id <> 2 AND inv(id - 2) > 0, id LIMIT 2", "1 2"),
    ] {
        assert_eq!(rows(query), expected, "{query}");
    }
}

#[test]
fn ordered_aggregates_take_calls() {
    for (query, expected) in [
        ("SELECT CAST(array_agg(inc(id) ORDER BY id) AS VARCHAR) AS a FROM t", "\"[2, 3, 4, 5, 6]\""),
        ("SELECT CAST(array_agg(inc(id) ORDER BY inc(id) DESC) AS VARCHAR) AS a FROM t", "\"[6, 5, 4, 3, 2]\""),
        (
            "SELECT id % 2 AS k, CAST(array_agg(inc(id) ORDER BY v DESC) AS VARCHAR) AS a FROM t WHERE v > 0 GROUP BY 1 ORDER BY 1",
            "0,[3] 1,\"[2, 4]\"",
        ),
        ("SELECT cat(inc(id) ORDER BY id DESC) AS a FROM t", "\"6,5,4,3,2\""),
        ("SELECT first_value(inc(id) ORDER BY v) AS a FROM t WHERE v > 0", "4"),
        ("SELECT string_agg(CAST(inc(id) AS VARCHAR), '-' ORDER BY inc(v)) AS a FROM t WHERE v > 0", "4-3-2"),
        ("SELECT CAST(array_agg(inc(id) ORDER BY id) FILTER (WHERE v > 1) AS VARCHAR) AS a FROM t", "\"[2, 3]\""),
    ] {
        assert_eq!(rows(query), expected, "{query}");
    }
}

#[test]
fn not_in_knows_null() {
    for (query, expected) in [
        ("SELECT count(*) AS c FROM t WHERE -1 NOT IN (SELECT v FROM t)", "0"),
        ("SELECT count(*) AS c FROM t WHERE -1 NOT IN (SELECT v FROM t WHERE v IS NOT NULL)", "5"),
        ("SELECT count(*) AS c FROM t WHERE 3 NOT IN (SELECT v FROM t)", "0"),
        ("SELECT count(*) AS c FROM t WHERE NULL NOT IN (SELECT v FROM t WHERE v > 99)", "5"),
        ("SELECT count(*) AS c FROM t WHERE id - 9 NOT IN (SELECT v FROM t)", "0"),
    ] {
        assert_eq!(rows(query), expected, "{query}");
    }
}

const TICKETS: &str = "\
from vivarium import udf

calls = 0

@udf(deterministic=False)
def ticket(x: int) -> int:
    global calls
    calls += 1
    return calls

@udf(deterministic=False)
def odd_ticket(x: int) -> int | None:
    return ticket(x) if calls % 2 == 0 else ticket(x) and None
";

#[test]
fn a_volatile_call_is_made_once_for_a_row() {
    let folder = Folder::with(&[("v.py", TICKETS), ("t.csv", "id\n1\n2\n3\n4\n5\n")]);
    for (query, expected) in [
        ("SELECT id, coalesce(odd_ticket(id), 0) AS c FROM t", "1,1 2,0 3,3 4,0 5,5"),
        ("SELECT id, nvl(odd_ticket(id), -id) AS c FROM t", "1,1 2,-2 3,3 4,-4 5,5"),
        ("SELECT id, ticket(id) BETWEEN 2 AND 3 AS b FROM t", "1,false 2,true 3,true 4,false 5,false"),
        ("SELECT id, ticket(id) NOT BETWEEN 2 AND 3 AS b FROM t", "1,true 2,false 3,false 4,true 5,true"),
        ("SELECT id, CASE WHEN id > 2 THEN coalesce(odd_ticket(id), 0) END AS c FROM t", "1, 2, 3,1 4,0 5,3"),
        ("SELECT id FROM t WHERE coalesce(odd_ticket(id), 0) > 0", "1 3 5"),
        ("SELECT count(coalesce(odd_ticket(id), NULL)) AS n FROM t", "3"),
        ("SELECT id, CASE ticket(id) WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END AS c FROM t", "1,a 2,b 3,c 4,c 5,c"),
        ("SELECT id, ticket(id) IN (2, 4) AS i FROM t", "1,false 2,true 3,false 4,true 5,false"),
        ("SELECT id, nullif(ticket(id), 2) AS n FROM t", "1,1 2, 3,3 4,4 5,5"),
    ] {
        let one = ["--instances", "1", "--partitions", "1", "-o", "-"];
        let ended = folder.run(&[&["sql", query, "--udf", "v.py", "--table", "t=t.csv"], &one[..]].concat()).ok();
        assert_eq!(ended.stdout.lines().skip(1).collect::<Vec<_>>().join(" "), expected, "{query}");
    }
}
