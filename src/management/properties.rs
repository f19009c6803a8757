//! The properties of a message as a JSON object, and back.

use serde_json::{Map, Value, json};

use super::Refusal;
use super::json::{from_table, to_table};
use crate::message::Message;
use crate::wire::properties::{Properties, PropertiesBuilder};
use crate::wire::table;

/// The properties of a message; as in RabbitMQ an empty array when there are none.
pub fn document(message: &Message) -> Value {
    let properties = Properties::new(message.properties());
    let mut document = Map::new();
    for (name, value) in properties.texts() {
        document.insert(name.into(), String::from_utf8_lossy(value).into());
    }
    if let Some(mode) = properties.delivery_mode() {
        document.insert("delivery_mode".into(), mode.into());
    }
    if let Some(priority) = properties.priority() {
        document.insert("priority".into(), priority.into());
    }
    if let Some(timestamp) = properties.timestamp() {
        document.insert("timestamp".into(), timestamp.into());
    }
    let headers = properties.headers().map(table::to_field_table);
    if let Some(Ok(headers)) = headers {
        document.insert("headers".into(), from_table(&headers));
    }
    if document.is_empty() {
        return json!([]);
    }
    document.into()
}

/// The block that an object asks for. Names that are no properties are passed over, as in RabbitMQ.
pub fn block(given: &Value) -> Result<Vec<u8>, Refusal> {
    let empty = Map::new();
    let object = match given {
        Value::Object(object) => object,
        Value::Array(items) if items.is_empty() => &empty,
        _ => return Err(Refusal::bad("properties is not an object")),
    };
    let text = |name: &str| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= 255 => Ok(Some(text.as_bytes())),
        Some(Value::String(_)) => Err(Refusal::bad(json!(["too_long", name]))),
        Some(_) => Err(Refusal::bad(json!(["not_string", name]))),
    };
    let number = |name: &str, most: u64| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => match number.as_u64().filter(|number| *number <= most) {
            Some(number) => Ok(Some(number)),
            None => Err(Refusal::bad(json!(["not_int", name]))),
        },
        Some(_) => Err(Refusal::bad(json!(["not_int", name]))),
    };
    let octet = |name: &str| Ok::<_, Refusal>(number(name, 255)?.map(|number| number as u8));
    let headers = match object.get("headers") {
        None | Some(Value::Null) => None,
        Some(Value::Object(headers)) => Some(table::from_field_table(&to_table(headers)?)),
        Some(Value::Array(items)) if items.is_empty() => None,
        Some(_) => return Err(Refusal::bad("headers is not an object")),
    };
    let builder = PropertiesBuilder {
        content_type: text("content_type")?,
        content_encoding: text("content_encoding")?,
        headers: headers.as_deref(),
        delivery_mode: octet("delivery_mode")?,
        priority: octet("priority")?,
        correlation_id: text("correlation_id")?,
        reply_to: text("reply_to")?,
        expiration: text("expiration")?,
        message_id: text("message_id")?,
        timestamp: number("timestamp", u64::MAX)?,
        kind: text("type")?,
        user_id: text("user_id")?,
        app_id: text("app_id")?,
        cluster_id: text("cluster_id")?,
    };
    let block = builder.build();
    Properties::new(&block).check()?;
    Ok(block)
}
