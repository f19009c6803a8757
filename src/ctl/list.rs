//! Lists: which columns there are, which are shown unasked, and how the API's objects become rows.

use serde_json::Value;

use super::command::Run;
use super::failure::{Failure, USAGE};
use super::format::Rows;

/// A column of a list.
pub struct Column {
    /// rabbitmqctl's name.
    pub name: &'static str,
    /// Where the API's object has it.
    pub from: From,
}

/// Where a cell comes from.
pub enum From {
    /// The field of the column's name.
    Same,
    /// Fields within fields.
    At(&'static [&'static str]),
    /// It is worked out.
    Made(fn(&Value) -> Value),
}

/// The columns of one list.
pub struct List {
    /// All.
    pub columns: &'static [Column],
    /// Those that are shown unasked.
    pub unasked: &'static [&'static str],
}

/// A column that is a field of the same name.
pub const fn same(name: &'static str) -> Column {
    Column {
        name,
        from: From::Same,
    }
}

/// A column that lies deeper.
pub const fn at(name: &'static str, path: &'static [&'static str]) -> Column {
    Column {
        name,
        from: From::At(path),
    }
}

/// A column that is worked out.
pub const fn made(name: &'static str, from: fn(&Value) -> Value) -> Column {
    Column {
        name,
        from: From::Made(from),
    }
}

impl List {
    /// The columns that were asked for, separated by spaces or commas, or a failure that names those that are not there.
    pub fn choose(&self, names: &[String]) -> Result<Vec<&'static Column>, Failure> {
        let asked: Vec<&str> = match names.is_empty() {
            true => self.unasked.to_vec(),
            false => names
                .iter()
                .flat_map(|name| name.split([',', ' ']))
                .filter(|name| !name.is_empty())
                .collect(),
        };
        let find = |name: &&str| self.columns.iter().find(|column| column.name == *name);
        let unknown: Vec<&str> = asked
            .iter()
            .filter(|name| find(name).is_none())
            .copied()
            .collect();
        match unknown.is_empty() {
            true => Ok(asked.iter().filter_map(find).collect()),
            false => Err(Failure::usage(
                USAGE,
                format!("Info key(s) {} are not supported", unknown.join(",")),
            )),
        }
    }

    /// The objects as rows of the columns that the command's arguments name.
    pub fn rows(&self, run: &Run<'_>, objects: &[Value]) -> Result<Rows, Failure> {
        let columns = self.choose(&run.options.arguments)?;
        Ok(rows(&columns, objects))
    }
}

fn rows(columns: &[&'static Column], objects: &[Value]) -> Rows {
    let cell = |object: &Value, column: &Column| match column.from {
        From::Same => object.get(column.name).cloned().unwrap_or(Value::Null),
        From::At(path) => deep(object, path).cloned().unwrap_or(Value::Null),
        From::Made(make) => make(object),
    };
    Rows {
        columns: columns.iter().map(|column| column.name).collect(),
        cells: objects
            .iter()
            .map(|object| columns.iter().map(|column| cell(object, column)).collect())
            .collect(),
    }
}

/// A field within fields.
pub fn deep<'v>(object: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(object, |value, name| value.get(name))
}

/// A text within fields; empty where there is none.
pub fn text<'v>(object: &'v Value, path: &[&str]) -> &'v str {
    deep(object, path).and_then(Value::as_str).unwrap_or("")
}

/// The items of a document that is a list.
pub fn items(document: Value) -> Vec<Value> {
    match document {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIST: List = List {
        columns: &[
            same("name"),
            at("queue_name", &["queue", "name"]),
            made("twice", |object| {
                json!(object["n"].as_u64().unwrap_or(0) * 2)
            }),
        ],
        unasked: &["name"],
    };

    fn choose(names: &[&str]) -> Result<Vec<&'static str>, Failure> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let columns = LIST.choose(&names)?;
        Ok(columns.iter().map(|column| column.name).collect())
    }

    #[test]
    fn columns_come_as_asked() {
        assert_eq!(choose(&[]).unwrap(), ["name"]);
        assert_eq!(choose(&["twice", "name"]).unwrap(), ["twice", "name"]);
        assert_eq!(choose(&["twice,name"]).unwrap(), ["twice", "name"]);
        let failure = choose(&["name", "a", "b"]).unwrap_err();
        assert_eq!(
            failure.text,
            "Error (argument validation): Info key(s) a,b are not supported"
        );
        assert_eq!(failure.code, USAGE);
    }

    #[test]
    fn cells_come_from_where_the_api_has_them() {
        let columns = LIST.choose(&["name,queue_name,twice".to_owned()]).unwrap();
        let objects = [
            json!({"name": "a", "queue": {"name": "b"}, "n": 2}),
            json!({}),
        ];
        let rows = rows(&columns, &objects);
        assert_eq!(rows.cells[0], [json!("a"), json!("b"), json!(4)]);
        assert_eq!(rows.cells[1], [Value::Null, Value::Null, json!(0)]);
    }
}
