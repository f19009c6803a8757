//! Lists as clients ask for them: sorted, filtered by name, cut into pages, columns picked. RabbitMQ's rules and texts.

use std::cmp::Ordering;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Answer, Call, Refusal};

/// Items of a page where the client does not say.
const PAGE_DEFAULT: u64 = 100;
/// Most items of a page.
const PAGE_MAX: u64 = 500;

/// A plain list: sorted and with its columns, never in pages.
pub fn plain(call: &Call, mut items: Vec<Value>, defaults: &[&str]) -> Answer {
    sort(call, &mut items, defaults);
    Answer::Json(pick_all(call, items))
}

/// A list, in pages if the client asks for one.
pub fn paged(call: &Call, items: Vec<Value>) -> Result<Answer, Refusal> {
    with_details(call, items, |items| items)
}

/// The same where `details` adds to the items that are shown what is dear to find out. Sorting sees what was there before, unless
/// the client sorts by something else.
pub fn with_details(
    call: &Call,
    mut items: Vec<Value>,
    details: impl FnOnce(Vec<Value>) -> Vec<Value>,
) -> Result<Answer, Refusal> {
    let Some(page) = page(call)? else {
        let mut items = details(items);
        sort(call, &mut items, &["vhost", "name"]);
        return Ok(Answer::Json(pick_all(call, items)));
    };
    let cheap = call.query("sort").is_none_or(|column| {
        let first = items.first().and_then(Value::as_object);
        column.is_empty() || first.is_none_or(|first| first.contains_key(column))
    });
    let mut details = Some(details);
    if !cheap && let Some(details) = details.take() {
        items = details(items);
    }
    sort(call, &mut items, &["vhost", "name"]);
    let total = items.len();
    if let Some(name) = call.query("name").filter(|name| !name.is_empty()) {
        filter(&mut items, name, call.flag("use_regex"))?;
    }
    let filtered = items.len();
    let begin = (page.number - 1).saturating_mul(page.size);
    if begin > filtered as u64 {
        let reason = format!(
            "Page out of range, page: {} page size: {}, len: {filtered}",
            page.number, page.size
        );
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "page_out_of_range",
            reason,
        ));
    }
    let begin = begin as usize;
    let end = filtered.min(begin + page.size as usize);
    let mut shown: Vec<Value> = items.drain(begin..end).collect();
    if let Some(details) = details {
        shown = details(shown);
    }
    Ok(Answer::Json(json!({
        "total_count": total,
        "item_count": shown.len(),
        "filtered_count": filtered,
        "page": page.number,
        "page_size": page.size,
        "page_count": (filtered as u64).div_ceil(page.size),
        "items": pick_all(call, shown),
    })))
}

struct Page {
    number: u64,
    size: u64,
}

fn page(call: &Call) -> Result<Option<Page>, Refusal> {
    let number = |name: &str| match call.query(name) {
        None => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Refusal::bad("Pagination parameters are invalid")),
        },
    };
    let (page, size) = (number("page")?, number("page_size")?);
    let Some(page) = page else {
        return Ok(None);
    };
    let good = u64::try_from(page).ok().filter(|page| *page > 0);
    let size_good = match size {
        None => Some(PAGE_DEFAULT),
        Some(size) => u64::try_from(size)
            .ok()
            .filter(|size| (1..=PAGE_MAX).contains(size)),
    };
    match (good, size_good) {
        (Some(number), Some(size)) => Ok(Some(Page { number, size })),
        _ => {
            let size = size.map_or("undefined".to_owned(), |size| size.to_string());
            let reason =
                format!("Invalid pagination parameters: page number {page}, page size {size}");
            Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "invalid_pagination_parameters",
                reason,
            ))
        }
    }
}

fn filter(items: &mut Vec<Value>, name: &str, regex: bool) -> Result<(), Refusal> {
    let own = |item: &Value| item["name"].as_str().unwrap_or("").to_owned();
    if !regex {
        let name = name.to_lowercase();
        items.retain(|item| own(item).to_lowercase().contains(&name));
        return Ok(());
    }
    let pattern = fancy_regex::RegexBuilder::new(&format!("(?i){name}"))
        .backtrack_limit(100_000)
        .build();
    let Ok(pattern) = pattern else {
        return Err(Refusal::bad("Pagination parameters are invalid"));
    };
    items.retain(|item| pattern.is_match(&own(item)).unwrap_or(false));
    Ok(())
}

fn sort(call: &Call, items: &mut [Value], defaults: &[&str]) {
    let mut columns: Vec<&str> = call
        .query("sort")
        .filter(|column| !column.is_empty())
        .into_iter()
        .collect();
    columns.extend(
        defaults
            .iter()
            .filter(|column| call.query("sort") != Some(column)),
    );
    items.sort_by(|a, b| {
        let each = columns
            .iter()
            .map(|column| compare(dotted(a, column), dotted(b, column)));
        each.fold(Ordering::Equal, Ordering::then)
    });
    if call.flag("sort_reverse") {
        items.reverse();
    }
}

/// What stands at `a.b.c`; nothing counts as 0.
fn dotted<'a>(item: &'a Value, column: &str) -> &'a Value {
    static NOTHING: Value = Value::Null;
    let mut at = item;
    for word in column.split('.') {
        at = at.get(word).unwrap_or(&NOTHING);
    }
    at
}

/// Erlang's order of terms: numbers, truth values, objects, arrays, texts. What is missing counts as 0.
fn compare(a: &Value, b: &Value) -> Ordering {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Null | Value::Number(_) => 0,
            Value::Bool(_) => 1,
            Value::Object(_) => 2,
            Value::Array(_) => 3,
            Value::String(_) => 4,
        }
    }
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ if rank(a) == 0 && rank(b) == 0 => {
            let number = |value: &Value| value.as_f64().unwrap_or(0.0);
            number(a).total_cmp(&number(b))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// A document with the columns that the client wants, all without a word of it.
pub fn pick(call: &Call, value: Value) -> Value {
    match columns(call) {
        Some(columns) => picked(value, &columns),
        None => value,
    }
}

fn pick_all(call: &Call, items: Vec<Value>) -> Value {
    match columns(call) {
        Some(columns) => {
            let items = items.into_iter();
            items.map(|item| picked(item, &columns)).collect()
        }
        None => Value::Array(items),
    }
}

fn columns(call: &Call) -> Option<Vec<Vec<&str>>> {
    let text = call.query("columns")?;
    let words = |column: &'_ str| -> bool { !column.is_empty() };
    Some(
        text.split(',')
            .filter(|column| words(column))
            .map(|column| column.split('.').collect())
            .collect(),
    )
}

fn picked(value: Value, columns: &[Vec<&str>]) -> Value {
    match value {
        Value::Array(items) => items
            .into_iter()
            .map(|item| picked(item, columns))
            .collect(),
        Value::Object(object) => {
            let mut kept = Map::new();
            for (name, value) in object {
                let of_it: Vec<&Vec<&str>> =
                    columns.iter().filter(|path| path[0] == name).collect();
                if of_it.is_empty() {
                    continue;
                }
                // As in RabbitMQ, arguments are shown whole.
                if name == "arguments" || of_it.iter().any(|path| path.len() == 1) {
                    kept.insert(name, value);
                    continue;
                }
                let deeper: Vec<Vec<&str>> = of_it.iter().map(|path| path[1..].to_vec()).collect();
                kept.insert(name, picked(value, &deeper));
            }
            Value::Object(kept)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_descend() {
        let value = json!({"a": 1, "b": {"c": 2, "d": [{"e": 3, "f": 4}]}, "g": 5});
        let columns = [vec!["a"], vec!["b", "d", "e"]];
        let expected = json!({"a": 1, "b": {"d": [{"e": 3}]}});
        assert_eq!(picked(value, &columns), expected);
    }

    #[test]
    fn terms_are_ordered_as_in_erlang() {
        let ordered = [
            json!(0),
            json!(1.5),
            json!(false),
            json!(true),
            json!({}),
            json!([]),
            json!(""),
            json!("a"),
        ];
        for (index, value) in ordered.iter().enumerate() {
            for (other_index, other) in ordered.iter().enumerate() {
                assert_eq!(compare(value, other), index.cmp(&other_index));
            }
        }
        assert_eq!(compare(&Value::Null, &json!(0)), Ordering::Equal);
    }
}
