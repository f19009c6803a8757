//! Texts that clients compare, letter by letter.

use super::*;

#[test]
fn the_code_decides_who_has_to_stop() {
    for (code, scope) in [
        (311, Scope::Channel),
        (403, Scope::Channel),
        (404, Scope::Channel),
        (405, Scope::Channel),
        (406, Scope::Channel),
        (320, Scope::Connection),
        (402, Scope::Connection),
        (501, Scope::Connection),
        (504, Scope::Connection),
        (530, Scope::Connection),
        (541, Scope::Connection),
    ] {
        assert_eq!(Reply::new(code, "").scope, scope, "{code}");
    }
    assert_eq!(Reply::login_refused("PLAIN").scope, Scope::Connection);
}

#[test]
fn texts_are_rabbitmqs() {
    let cases = [
        (
            Reply::not_found_queue("q", "/"),
            "404 0/0 NOT_FOUND - no queue 'q' in vhost '/'",
        ),
        (
            Reply::not_found_exchange("x", "/"),
            "404 0/0 NOT_FOUND - no exchange 'x' in vhost '/'",
        ),
        (
            Reply::inequivalent("durable", &queue_resource("q", "/"), "true", "false").at(50, 10),
            "406 50/10 PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'",
        ),
        (
            Reply::inequivalent_presence(
                "x-message-ttl",
                "queue 'q' in vhost '/'",
                None,
                Some(("1000", "signedint")),
            ),
            "406 0/0 PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received none but current is the value '1000' of type 'signedint'",
        ),
        (
            Reply::access_refused("write", &exchange_resource("", "/"), "u"),
            "403 0/0 ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'u'",
        ),
        (
            Reply::resource_locked("q", "/"),
            "405 0/0 RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.",
        ),
        (
            Reply::unknown_exchange_type("nope"),
            "406 40/10 PRECONDITION_FAILED - unknown exchange type 'nope'",
        ),
        (
            Reply::unknown_exchange_type(""),
            "406 40/10 PRECONDITION_FAILED - invalid exchange type ''",
        ),
        (
            Reply::message_too_large(17_000_000, 16_777_216),
            "406 60/40 PRECONDITION_FAILED - message size 17000000 is larger than configured max size 16777216",
        ),
        (
            Reply::message_too_large(600_000_000, 536_870_912),
            "406 60/40 PRECONDITION_FAILED - message size 600000000 is larger than max size",
        ),
        (
            Reply::unacceptable_header("CC", "longstr"),
            "406 60/40 PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}",
        ),
        (
            Reply::negotiated_too_high("channel_max", 0, 2047),
            "530 0/0 NOT_ALLOWED - negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)",
        ),
        (
            Reply::channel_max_reached(2, 2),
            "530 0/0 NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)",
        ),
        (
            Reply::unexpected_frame(8, &[]),
            "505 0/0 UNEXPECTED_FRAME - type 8, all octets = <<>>",
        ),
        (
            Reply::unexpected_frame(1, &[0, 20, 0, 10, 0]),
            "505 0/0 UNEXPECTED_FRAME - type 1, all octets = <<0,20,0,10,0>>",
        ),
        (
            Reply::second_channel_open(),
            "504 20/10 CHANNEL_ERROR - second 'channel.open' seen",
        ),
    ];
    for (reply, text) in cases {
        assert_eq!(reply.to_string(), text);
    }
}

#[test]
fn long_texts_end_in_dots_and_never_inside_a_character() {
    let long = Reply::not_found_queue(&"x".repeat(300), "/");
    assert_eq!(long.text.len(), 255);
    assert!(long.text.ends_with("xxx..."));
    let exact = Reply::new(404, &"x".repeat(255 - "NOT_FOUND - ".len()));
    assert!(exact.text.len() == 255 && !exact.text.ends_with('.'));
    for pad in 0..4 {
        let wide = Reply::new(404, &("x".repeat(pad) + &"€".repeat(100)));
        assert!(wide.text.len() <= 255 && wide.text.ends_with("€..."));
    }
}

#[test]
fn close_goes_to_the_channel_or_to_channel_zero() {
    let mut out = Vec::new();
    Reply::unknown_delivery_tag(5).at(60, 80).write(&mut out, 3);
    assert_eq!(
        out[..12],
        [1, 0, 3, 0, 0, 0, out.len() as u8 - 8, 0, 20, 0, 40, 1]
    );
    out.clear();
    Reply::immediate().write(&mut out, 3);
    assert_eq!(out[..3], [1, 0, 0]);
    assert_eq!(out[7..13], [0, 10, 0, 50, 2, 28]);
}
