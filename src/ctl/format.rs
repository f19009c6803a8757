//! Values as rabbitmqctl prints them: tables with tabs, CSV, drawn tables, JSON. Pure.

use std::fmt::Write;

use serde_json::Value;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formatter {
    /// A row a line, tabs between; the default of lists.
    Table,
    /// A drawn table.
    Pretty,
    /// Comma-separated values.
    Csv,
    /// One document.
    Json,
}

impl Formatter {
    /// By its name.
    pub fn find(name: &str) -> Option<Self> {
        match name {
            "table" | "string" | "plain" => Some(Self::Table),
            "pretty_table" => Some(Self::Pretty),
            "csv" => Some(Self::Csv),
            "json" | "json_stream" => Some(Self::Json),
            _ => None,
        }
    }

    /// Its output is read by programs: nothing else is printed.
    pub fn is_for_machines(self) -> bool {
        matches!(self, Self::Csv | Self::Json)
    }
}

/// Rows under names of columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Names of columns.
    pub columns: Vec<&'static str>,
    /// A cell for each column.
    pub cells: Vec<Vec<Value>>,
}

impl Rows {
    /// As text with its last line's end.
    pub fn print(&self, formatter: Formatter, headless: bool) -> String {
        match formatter {
            Formatter::Table => self.table(headless),
            Formatter::Csv => self.csv(headless),
            Formatter::Pretty => self.pretty(headless),
            Formatter::Json => self.json(),
        }
    }

    fn table(&self, headless: bool) -> String {
        let mut out = String::new();
        if !headless && !self.cells.is_empty() {
            out.push_str(&self.columns.join("\t"));
            out.push('\n');
        }
        for row in &self.cells {
            let cells: Vec<String> = row.iter().map(plain).collect();
            out.push_str(&cells.join("\t"));
            out.push('\n');
        }
        out
    }

    fn csv(&self, headless: bool) -> String {
        let mut out = String::new();
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        if !headless && !self.cells.is_empty() {
            let names: Vec<String> = self.columns.iter().map(|name| quoted(name)).collect();
            let _ = writeln!(out, "{}", names.join(","));
        }
        for row in &self.cells {
            let cells = row.iter().map(|cell| match cell {
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                other => quoted(&plain(other)),
            });
            let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join(","));
        }
        out
    }

    fn json(&self) -> String {
        let mut out = String::from("[\n");
        for (number, row) in self.cells.iter().enumerate() {
            out.push_str(if number == 0 { "{" } else { ",{" });
            for (place, (name, cell)) in self.columns.iter().zip(row).enumerate() {
                let comma = if place == 0 { "" } else { "," };
                let _ = write!(out, "{comma}\"{name}\":{}", typed(cell));
            }
            out.push_str("}\n");
        }
        out.push_str("]\n");
        out
    }

    /// With the terminal's own line drawing, as rabbitmqctl does.
    fn pretty(&self, headless: bool) -> String {
        if self.cells.is_empty() {
            return String::new();
        }
        let texts: Vec<Vec<String>> = self
            .cells
            .iter()
            .map(|row| row.iter().map(plain).collect())
            .collect();
        let names = self.columns.iter().map(|name| name.chars().count());
        let mut widths: Vec<usize> = if headless {
            vec![0; self.columns.len()]
        } else {
            names.collect()
        };
        for row in &texts {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.chars().count());
            }
        }
        let rule = |left: char, cross: char, right: char| {
            let parts: Vec<String> = widths.iter().map(|width| "q".repeat(width + 2)).collect();
            format!(
                "\u{1b}(0{left}{}{right}\u{1b}(B\n",
                parts.join(&cross.to_string())
            )
        };
        let bar = "\u{1b}(0x\u{1b}(B";
        let line = |cells: &[String], bold: bool| {
            let mut out = String::new();
            for (cell, width) in cells.iter().zip(&widths) {
                let fill = " ".repeat(width - cell.chars().count());
                let _ = match bold {
                    true => write!(out, "{bar} \u{1b}[1m{cell}\u{1b}[0m{fill} "),
                    false => write!(out, "{bar} {cell}{fill} "),
                };
            }
            format!("{out}{bar}\n")
        };
        let mut out = rule('l', 'w', 'k');
        let between = rule('t', 'n', 'u');
        if !headless {
            let names: Vec<String> = self.columns.iter().map(|&name| name.to_owned()).collect();
            out.push_str(&line(&names, true));
            out.push_str(&between);
        }
        for (number, row) in texts.iter().enumerate() {
            if number > 0 {
                out.push_str(&between);
            }
            out.push_str(&line(row, false));
        }
        out.push_str(&rule('m', 'v', 'j'));
        out
    }
}

/// A cell as text: strings bare, tables as Erlang's `[{"name",value}]`. What would break a line is escaped.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escaped(text),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(", "))
        }
        other => term(other),
    }
}

/// A value within a table.
fn term(value: &Value) -> String {
    match value {
        Value::Null => "undefined".to_owned(),
        Value::String(text) => format!("\"{}\"", escaped(text).replace('"', "\\\"")),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(term).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                format!("{{{},{}}}", term(&Value::String(name.clone())), term(value))
            });
            format!("[{}]", fields.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_control() => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
            letter => out.push(letter),
        }
    }
    out
}

/// A cell in JSON: tables are lists of name, AMQP type and value.
fn typed(value: &Value) -> Value {
    match value {
        Value::Null => Value::String(String::new()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let (kind, value) = match value {
                    Value::Null => ("void", Value::String("undefined".into())),
                    Value::Bool(_) => ("bool", value.clone()),
                    Value::Number(number) if number.is_f64() => ("double", value.clone()),
                    Value::Number(_) => ("long", value.clone()),
                    Value::String(_) => ("longstr", value.clone()),
                    Value::Array(_) => ("array", value.clone()),
                    Value::Object(_) => ("table", typed(value)),
                };
                Value::Array(vec![name.clone().into(), kind.into(), value])
            });
            Value::Array(fields.collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows() -> Rows {
        Rows {
            columns: vec!["name", "arguments", "consumers"],
            cells: vec![
                vec![json!("q 2"), json!({}), json!(0)],
                vec![
                    json!("q1"),
                    json!({"x-max-length": 10, "x-queue-type": "classic"}),
                    json!(2),
                ],
            ],
        }
    }

    // What rabbitmqctl 4.0.5 printed for the same queues.
    #[test]
    fn tables_are_as_rabbitmqctls() {
        let text = "name\targuments\tconsumers\nq 2\t[]\t0\nq1\t[{\"x-max-length\",10},{\"x-queue-type\",\"classic\"}]\t2\n";
        assert_eq!(rows().print(Formatter::Table, false), text);
        assert_eq!(
            rows().print(Formatter::Table, true),
            text.split_once('\n').unwrap().1
        );
    }

    #[test]
    fn csv_is_as_rabbitmqctls() {
        let text = "\"name\",\"arguments\",\"consumers\"\n\"q 2\",\"[]\",0\n\"q1\",\"[{\"\"x-max-length\"\",10},{\"\"x-queue-type\"\",\"\"classic\"\"}]\",2\n";
        assert_eq!(rows().print(Formatter::Csv, false), text);
    }

    #[test]
    fn json_is_as_rabbitmqctls() {
        let text = "[\n{\"name\":\"q 2\",\"arguments\":[],\"consumers\":0}\n,{\"name\":\"q1\",\"arguments\":[[\"x-max-length\",\"long\",10],[\"x-queue-type\",\"longstr\",\"classic\"]],\"consumers\":2}\n]\n";
        assert_eq!(rows().print(Formatter::Json, false), text);
        assert_eq!(Rows::default().print(Formatter::Json, false), "[\n]\n");
    }

    #[test]
    fn drawn_tables_are_as_rabbitmqctls() {
        let rows = Rows {
            columns: vec!["user", "tags"],
            cells: vec![vec![json!("guest"), json!("x")]],
        };
        let e = '\u{1b}';
        let text = format!(
            "{e}(0lqqqqqqqwqqqqqqk{e}(B\n{e}(0x{e}(B {e}[1muser{e}[0m  {e}(0x{e}(B {e}[1mtags{e}[0m {e}(0x{e}(B\n\
             {e}(0tqqqqqqqnqqqqqqu{e}(B\n{e}(0x{e}(B guest {e}(0x{e}(B x    {e}(0x{e}(B\n{e}(0mqqqqqqqvqqqqqqj{e}(B\n"
        );
        assert_eq!(rows.print(Formatter::Pretty, false), text);
    }

    #[test]
    fn an_empty_list_has_no_head() {
        let rows = Rows {
            columns: vec!["name"],
            cells: vec![],
        };
        for formatter in [Formatter::Table, Formatter::Csv, Formatter::Pretty] {
            assert_eq!(rows.print(formatter, false), "");
        }
    }

    #[test]
    fn a_name_cannot_break_its_row() {
        assert_eq!(plain(&json!("a\tb\nc\\.")), "a\\011b\\012c\\.");
        assert_eq!(plain(&json!({"k": "a\"b\n"})), "[{\"k\",\"a\\\"b\\012\"}]");
        assert_eq!(
            plain(&json!(["administrator", "monitoring"])),
            "[administrator, monitoring]"
        );
        assert_eq!(plain(&Value::Null), "");
    }
}
