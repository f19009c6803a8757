//! `x-stream-filter`: exact, message by message.

use super::stream::{consume, declared};
use crate::support::table::strings;
use crate::support::{Properties, Value, shared};

#[test]
fn a_filter_gives_what_was_asked_for_and_nothing_else() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    peer.confirm(1);
    let values = [
        Some("red"),
        Some("blue"),
        None,
        Some("red"),
        Some("green"),
        Some(""),
    ];
    for (at, value) in values.iter().enumerate() {
        let properties = Properties {
            headers: value.map(|value| table! { "x-stream-filter-value" => value }),
            ..Properties::default()
        };
        peer.publish_with(1, "", &name, "", &properties, at.to_string());
    }
    peer.acked(1, 6);
    let yes = Value::Bool(true);
    for (at, (filter, unfiltered, wanted)) in [
        (Value::from("red"), None, "03"),
        (strings(&["red", "blue"]), None, "013"),
        (Value::from("red"), Some(yes.clone()), "0235"),
        (Value::from(""), None, "25"),
        (Value::I32(5), None, "012345"),
    ]
    .into_iter()
    .enumerate()
    {
        let channel = 2 + at as u16;
        peer.open(channel);
        let mut arguments = table! { "x-stream-offset" => "first", "x-stream-filter" => filter };
        if let Some(unfiltered) = unfiltered {
            arguments
                .0
                .push(("x-stream-match-unfiltered".to_owned(), unfiltered));
        }
        consume(&mut peer, channel, &name, 10, arguments);
        assert_eq!(peer.texts(channel, wanted.len()).concat(), wanted);
        peer.quiet(channel, &name);
    }
}
