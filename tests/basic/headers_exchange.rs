//! The headers exchange: which binding matches which headers (BEHAVIOURS 3).

use crate::support::{Peer, Properties, Table, Value, queue, shared};

/// Does a message with these headers pass this binding? Told by the return that an unroutable mandatory message brings.
fn routed(peer: &mut Peer, binding: &Table, headers: Option<&Table>) -> bool {
    let name = peer.exchange(1, "headers");
    let queue = peer.queue(1);
    peer.ask(
        1,
        &queue::bind(&queue, &name, "", binding.clone()),
        &queue::bind_ok(),
    );
    let properties = Properties {
        headers: headers.cloned(),
        ..Properties::default()
    };
    peer.publish_with(1, &name, "any", "mandatory", &properties, "x");
    peer.send(1, &queue::purge(&queue, ""));
    let method = peer.next(1);
    if method.is(50, 31) {
        return true;
    }
    assert!(method.is(60, 50), "{method:?}");
    peer.frame(1);
    peer.frame(1);
    assert!(peer.next(1).is(50, 31));
    false
}

#[test]
fn all_wants_every_header_and_any_wants_one() {
    let mut peer = shared().channel();
    let (one, both) = (table! { "a" => 1i32 }, table! { "a" => 1i32, "b" => "two" });
    let wrong = table! { "a" => 2i32, "b" => "two" };
    let none = table! {};
    for (kind, wants) in [
        (None, [true, false, false, false]),
        (Some("all"), [true, false, false, false]),
        (Some("any"), [true, true, true, false]),
    ] {
        let mut binding = table! {};
        if let Some(kind) = kind {
            binding.0.push(("x-match".into(), kind.into()));
        }
        binding.0.extend(both.0.clone());
        for (headers, want) in [&both, &one, &wrong, &none].into_iter().zip(wants) {
            let got = routed(&mut peer, &binding, Some(headers));
            assert_eq!(got, want, "{kind:?} {headers:?}");
        }
    }
}

#[test]
fn more_headers_do_not_matter() {
    let mut peer = shared().channel();
    let headers = table! { "z" => true, "a" => 1i32, "y" => 5i64 };
    assert!(routed(&mut peer, &table! { "a" => 1i32 }, Some(&headers)));
}

#[test]
fn without_headers_only_the_empty_all_matches() {
    let mut peer = shared().channel();
    assert!(routed(&mut peer, &table! {}, None));
    assert!(routed(&mut peer, &table! { "x-match" => "all" }, None));
    assert!(!routed(&mut peer, &table! { "x-match" => "any" }, None));
    assert!(!routed(&mut peer, &table! { "a" => Value::Void }, None));
}

#[test]
fn an_empty_binding_takes_all_or_nothing() {
    let mut peer = shared().channel();
    let headers = table! { "a" => 1i32 };
    assert!(routed(
        &mut peer,
        &table! { "x-match" => "all" },
        Some(&headers)
    ));
    assert!(!routed(
        &mut peer,
        &table! { "x-match" => "any" },
        Some(&headers)
    ));
}

#[test]
fn x_headers_count_only_with_x() {
    let mut peer = shared().channel();
    let headers = table! { "x-a" => 1i32 };
    for (kind, wanted, unwanted) in [
        ("all", true, true),
        ("any", false, false),
        ("all-with-x", true, false),
        ("any-with-x", true, false),
    ] {
        let right = table! { "x-match" => kind, "x-a" => 1i32 };
        assert_eq!(routed(&mut peer, &right, Some(&headers)), wanted, "{kind}");
        let wrong = table! { "x-match" => kind, "x-a" => 2i32 };
        assert_eq!(
            routed(&mut peer, &wrong, Some(&headers)),
            unwanted,
            "{kind}"
        );
    }
}

#[test]
fn void_wants_the_header_whatever_it_is() {
    let mut peer = shared().channel();
    let binding = table! { "a" => Value::Void };
    for value in [1i32.into(), "text".into(), Value::Void, Value::Bool(false)] {
        assert!(routed(&mut peer, &binding, Some(&table! { "a" => value })));
    }
    assert!(!routed(&mut peer, &binding, Some(&table! { "b" => 1i32 })));
}

#[test]
fn values_are_compared_without_their_width() {
    let mut peer = shared().channel();
    let equal: [(Value, Value); 6] = [
        (1i8.into(), 1i32.into()),
        (1i64.into(), 1u8.into()),
        (1u16.into(), 1i16.into()),
        (1.5f64.into(), 1.5f64.into()),
        (
            vec![1i32.into(), "a".into()].into(),
            vec![1i32.into(), "a".into()].into(),
        ),
        (true.into(), true.into()),
    ];
    for (left, right) in equal {
        let binding = table! { "a" => left.clone() };
        assert!(
            routed(&mut peer, &binding, Some(&table! { "a" => right })),
            "{left:?}"
        );
    }
    let different: [(Value, Value); 6] = [
        ("1".into(), 1i32.into()),
        (true.into(), 1i32.into()),
        (1.0f64.into(), 1i32.into()),
        ("a".into(), "A".into()),
        (vec![1i32.into()].into(), vec![2i32.into()].into()),
        (1i32.into(), (-1i32).into()),
    ];
    for (left, right) in different {
        let binding = table! { "a" => left.clone() };
        assert!(
            !routed(&mut peer, &binding, Some(&table! { "a" => right })),
            "{left:?}"
        );
    }
}

#[test]
fn the_key_does_not_matter() {
    let mut peer = shared().channel();
    assert!(routed(&mut peer, &table! {}, Some(&table! { "a" => 1i32 })));
}
