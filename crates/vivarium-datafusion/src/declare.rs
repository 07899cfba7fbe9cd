//! SQL's types and Python's, which have to agree.
//!
//! A function that is declared with a decorator says its types itself, and the statement must agree: its parameters take what
//! SQL declares without a change of any value, and its result has exactly SQL's type. A plain `def` in the body of a statement is
//! declared by the statement: a declaration with SQL's types is put behind the body, so that widths and digits are SQL's
//! (`INT`, `DECIMAL(10, 2)`), and annotations only have to be of the same family.

use arrow::datatypes::{DataType, Fields};
use vivarium::{Function, FunctionSource, Kind, Module, Parameter, Place, Signature, converts, plain_type, types};

use crate::error::Error;
use crate::function::counted;
use crate::sql_types::table_columns;

/// The attribute of the declaration behind a body.
pub(crate) const SQL_ATTRIBUTE: &str = "_vivarium_sql_function";

/// What a statement declares.
pub(crate) struct SqlTypes {
    pub function: String,
    pub parameters: Vec<DataType>,
    pub result: Option<DataType>,
}

/// The plain function that a body without any declaration means: the one of SQL's name, or the only one. `None` when the body
/// declares something, or nobody can tell without running it.
pub(crate) fn plain_handler(text: &str, name: &str) -> Option<String> {
    if ["udf", "udtf", "udaf", "udtaf", "import *"].iter().any(|declares| text.contains(declares)) {
        return None;
    }
    let definition = |line: &str| -> Option<String> {
        let after = line.strip_prefix("async ").unwrap_or(line).strip_prefix("def ")?;
        let (name, _) = after.split_once('(')?;
        let name = name.trim();
        name.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| name.to_owned())
    };
    let mut names: Vec<_> = text.lines().filter_map(definition).collect();
    names.dedup();
    let found = names.iter().find(|found| *found == name);
    let found = found.or_else(|| names.iter().find(|found| found.eq_ignore_ascii_case(name)));
    match (found, &names[..]) {
        (Some(found), _) => Some(found.clone()),
        (None, [only]) => Some(only.clone()),
        _ => None,
    }
}

/// Checks that each type can cross, before anything is made of it: a default value, say, which takes as much room as its type.
pub(crate) fn check_types(types: &SqlTypes) -> Result<(), Error> {
    for (index, data_type) in types.parameters.iter().enumerate() {
        spelled(types, &format!("parameter {}", index + 1), data_type)?;
    }
    match types.result.as_ref().map(|result| (result, table_columns(result))) {
        Some((_, Some(columns))) => spelled(types, "the result", &DataType::Struct(columns.clone())).map(drop),
        Some((result, None)) => spelled(types, "the result", result).map(drop),
        None => Ok(()),
    }
}

/// The text of a type, which is also a string of Python's.
fn spelled(types: &SqlTypes, what: &str, data_type: &DataType) -> Result<String, Error> {
    let text = types::print(&plain_type(data_type));
    let text = text.map_err(|error| Error::statement(&types.function, format!("{what}: {error}")))?;
    Ok(serde_json::Value::from(text).to_string())
}

/// The source with a declaration of SQL's types behind it; lines stay what they are.
pub(crate) fn with_sql_types(
    source: &FunctionSource,
    handler: &str,
    types: &SqlTypes,
) -> Result<FunctionSource, Error> {
    let Some(result) = &types.result else {
        let problem = "it has no RETURNS, and Python declares no type either; write RETURNS and a type";
        return Err(Error::statement(&types.function, problem));
    };
    let parameters = types.parameters.iter().enumerate();
    let parameters: Vec<_> = parameters
        .map(|(index, t)| spelled(types, &format!("parameter {}", index + 1), t))
        .collect::<Result<_, _>>()?;
    let (decorator, result) = match table_columns(result) {
        Some(columns) => ("udtf", spelled(types, "the result", &DataType::Struct(columns.clone()))?),
        None => ("udf", spelled(types, "the result", result)?),
    };
    let name = serde_json::Value::from(types.function.as_str());
    let text = format!(
        "{}\n\nfrom vivarium import {decorator} as _vivarium_declare\n{SQL_ATTRIBUTE} = _vivarium_declare(name={name}, \
         result_type={result}, input_types=[{}])({handler})\ndel _vivarium_declare\n",
        source.text().unwrap_or_default(),
        parameters.join(", "),
    );
    Ok(FunctionSource::inline(source.name(), text))
}

/// Whether the annotations of a plain function are of the families that SQL declares.
pub(crate) fn check_annotations(types: &SqlTypes, module: &Module, handler: &str) -> Result<(), Error> {
    let Some(signature) = module.signatures().iter().find(|s| s.attribute == handler && !s.decorated) else {
        return Ok(());
    };
    let place = Place { function: handler.to_owned(), source: module.name().to_owned(), line: signature.line };
    let mismatch = |what: String, sql: &DataType, python: &DataType| Error::Types {
        function: types.function.clone(),
        what,
        sql: shown(sql),
        python: shown(python),
        place: place.clone(),
        hint: "make them agree, or leave the annotation out".to_owned(),
    };
    for (index, (sql, parameter)) in types.parameters.iter().zip(&signature.parameters).enumerate() {
        if let Some(python) = &parameter.data_type
            && !parameter.variadic
            && !same_family(&plain_type(sql), python)
        {
            return Err(mismatch(format!("parameter {} ({})", index + 1, parameter.name), sql, python));
        }
    }
    if let (Some(sql), Some(result)) = (&types.result, &signature.result)
        && table_columns(sql).is_none()
        && !same_family(&plain_type(sql), &result.data_type)
    {
        return Err(mismatch("the result".to_owned(), sql, &result.data_type));
    }
    Ok(())
}

fn same_family(sql: &DataType, python: &DataType) -> bool {
    let both = |family: fn(&DataType) -> bool| family(sql) && family(python);
    sql == python
        || both(DataType::is_integer)
        || both(DataType::is_floating)
        || both(DataType::is_decimal)
        || both(DataType::is_nested)
        || both(DataType::is_string)
        || both(|t| matches!(t, DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_)))
        || both(|t| matches!(t, DataType::Timestamp(_, _)))
        || both(|t| matches!(t, DataType::Date32 | DataType::Date64))
        || both(|t| matches!(t, DataType::Time32(_) | DataType::Time64(_)))
        || both(|t| matches!(t, DataType::Duration(_) | DataType::Interval(_)))
}

/// Checks a function against what the statement declares. The type of its results: of a table function a struct of its columns,
/// under SQL's names.
pub(crate) fn check(types: &SqlTypes, function: &Function) -> Result<DataType, Error> {
    let signature = function.signature();
    check_parameters(types, function)?;
    let python = result_of(signature).ok_or_else(|| no_result(&types.function, function))?;
    let Some(sql) = &types.result else { return Ok(python) };
    let mismatch = |sql: &DataType, python: &DataType, hint: String| Error::Types {
        function: types.function.clone(),
        what: "the result".to_owned(),
        sql: shown(sql),
        python: shown(python),
        place: function.place(),
        hint,
    };
    match (table_columns(sql), signature.kind) {
        (Some(columns), Kind::Table | Kind::TableAggregate) => {
            let columns: Fields =
                columns.iter().map(|c| c.as_ref().clone().with_data_type(plain_type(c.data_type()))).collect();
            match same_columns(&columns, &python) {
                true => Ok(DataType::Struct(columns)),
                false => Err(mismatch(&DataType::Struct(columns), &python, "make them agree".to_owned())),
            }
        }
        (Some(_), kind) => Err(Error::statement(
            &types.function,
            format!("it RETURNS TABLE, but {} is a function of kind {kind}; declare it with @udtf", function.place()),
        )),
        (None, Kind::Table | Kind::TableAggregate) => {
            let problem = format!("{} gives rows; write RETURNS TABLE (column type, ...)", function.place());
            Err(Error::statement(&types.function, problem))
        }
        (None, _) if plain_type(sql) == python => Ok(python),
        (None, _) => {
            let hint = format!(
                "write the same type in both, such as result_type=\"{}\" in the decorator",
                types::print(&plain_type(sql)).unwrap_or_default()
            );
            Err(mismatch(sql, &python, hint))
        }
    }
}

/// The type of a function's results, which every declaration has.
pub(crate) fn result_of(signature: &Signature) -> Option<DataType> {
    signature.result.as_ref().map(|result| result.data_type.clone())
}

pub(crate) fn no_result(name: &str, function: &Function) -> Error {
    let problem =
        format!("the result type of {} is not declared; annotate its result, or write result_type=", function.place());
    Error::statement(name, problem)
}

fn same_columns(sql: &Fields, python: &DataType) -> bool {
    match python {
        DataType::Struct(columns) => {
            sql.len() == columns.len() && sql.iter().zip(columns).all(|(a, b)| a.data_type() == b.data_type())
        }
        single => sql.len() == 1 && sql[0].data_type() == single,
    }
}

fn check_parameters(types: &SqlTypes, function: &Function) -> Result<(), Error> {
    let parameters = &function.signature().parameters;
    let positional: Vec<&Parameter> = parameters.iter().filter(|parameter| !parameter.variadic).collect();
    let variadic = parameters.iter().find(|parameter| parameter.variadic);
    let required = positional.iter().filter(|parameter| !parameter.default).count();
    let declared = types.parameters.len();
    if declared < required || (declared > positional.len() && variadic.is_none()) {
        let problem = format!(
            "it has {} in SQL, and {} has {}",
            counted(declared, "parameter"),
            function.place(),
            if required == positional.len() {
                required.to_string()
            } else {
                format!("{required} to {}", positional.len())
            },
        );
        return Err(Error::statement(&types.function, problem));
    }
    for (index, sql) in types.parameters.iter().enumerate() {
        let Some(parameter) = positional.get(index).copied().or(variadic) else { continue };
        if let Some(python) = &parameter.data_type
            && !converts(sql, python)
        {
            return Err(Error::Types {
                function: types.function.clone(),
                what: format!("parameter {} ({})", index + 1, parameter.name),
                sql: shown(sql),
                python: shown(python),
                place: function.place(),
                hint: "make them agree".to_owned(),
            });
        }
    }
    Ok(())
}

fn shown(data_type: &DataType) -> String {
    types::print(&plain_type(data_type)).unwrap_or_else(|_| data_type.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_function_that_is_meant() {
        let found = |text: &str| plain_handler(text, "Price").unwrap_or_else(|| "-".to_owned());
        assert_eq!(found("def other(x): pass\ndef Price(x): pass\n"), "Price");
        assert_eq!(found("import re\nasync def price(x): pass\ndef other(): pass\n"), "price");
        assert_eq!(found("def only(x):\n    def inner(): pass\n"), "only");
        assert_eq!(found("def one(x): pass\ndef two(x): pass\n"), "-");
        assert_eq!(found("from vivarium import udf\n@udf\ndef price(x: int) -> int: pass\n"), "-");
    }
}
