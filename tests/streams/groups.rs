//! Groups: consumers that share a stream, and whose place the broker remembers.

use super::stream::{consume, declared, filled, numbers, offset, publish, read};
use crate::support::home::both;
use crate::support::{End, Peer, Table, Value, basic, channel, eventually, shared, unique};

fn group(name: &str) -> Table {
    table! { "x-stream-group" => name, "x-stream-offset" => "first" }
}

fn with(name: &str, more: Table) -> Table {
    let mut arguments = group(name);
    arguments.0.extend(more.0);
    arguments
}

/// Closes a channel: what it has goes back.
fn close(peer: &mut Peer, number: u16) {
    peer.send(number, &channel::close());
    loop {
        let method = peer.next(number);
        if method.is(20, 41) {
            return;
        }
        assert!(method.is(60, 60), "{method:?}");
        peer.read_delivery(number, &method);
    }
}

#[test]
fn a_group_goes_on_where_it_was() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = filled(&mut peer, 30);
        for (at, from) in [(0, 0), (1, 10)] {
            let channel = 2 + at;
            peer.open(channel);
            consume(&mut peer, channel, &name, 5, group("g"));
            assert_eq!(read(&mut peer, channel, 10), numbers(from..from + 10));
            close(&mut peer, channel);
        }
        // Another group has its own place, and so has the one of a tag.
        for (channel, arguments) in [
            (5, group("h")),
            (
                6,
                table! { "x-stream-group" => true, "x-stream-offset" => "first" },
            ),
            (
                7,
                table! { "x-stream-automatic-offset-tracking" => true, "x-stream-offset" => "first" },
            ),
        ] {
            peer.open(channel);
            consume(&mut peer, channel, &name, 5, arguments);
            assert_eq!(read(&mut peer, channel, 3), numbers(0..3));
        }
        home.settle(end);
        home.restart(end);
        let mut peer = home.channel();
        for (channel, name_of, from) in [(2, "g", 20), (3, "h", 3), (6, "c6", 3), (7, "c7", 3)] {
            peer.open(channel);
            consume(&mut peer, channel, &name, 5, group(name_of));
            assert_eq!(read(&mut peer, channel, 5), numbers(from..from + 5));
        }
    });
}

#[test]
fn its_consumers_share_the_messages() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 40);
    let mut offsets = Vec::new();
    let mut peers: Vec<Peer> = (0..4).map(|_| shared().channel()).collect();
    for peer in &mut peers {
        consume(peer, 1, &name, 10, group("g"));
    }
    for peer in &mut peers {
        offsets.extend((0..10).map(|_| offset(&peer.delivery(1))));
    }
    offsets.sort_unstable();
    assert_eq!(offsets, (0..40).collect::<Vec<u64>>());
}

#[test]
fn what_is_not_acknowledged_comes_again() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 6);
    let mut first = shared().channel();
    consume(&mut first, 1, &name, 4, group("g"));
    let tags: Vec<u64> = (0..4).map(|_| first.delivery(1).tag).collect();
    first.send(1, &basic::ack(tags[1], ""));
    assert_eq!(first.delivery(1).text(), "4");
    first.close();
    let mut second = shared().channel();
    consume(&mut second, 1, &name, 10, group("g"));
    for (text, count) in [
        ("0", Some(1)),
        ("2", Some(1)),
        ("3", Some(1)),
        ("4", Some(1)),
        ("5", None),
    ] {
        let got = second.delivery(1);
        assert_eq!((got.text(), got.redelivered), (text, count.is_some()));
        let shown = got.headers().get("x-delivery-count").cloned();
        assert_eq!(shown, count.map(Value::I64));
    }
    second.quiet(1, &name);
}

#[test]
fn a_nack_brings_it_back_before_the_rest() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 6);
    consume(&mut peer, 1, &name, 1, group("g"));
    let got = peer.delivery(1);
    peer.send(1, &basic::nack(got.tag, "requeue"));
    let again = peer.delivery(1);
    assert_eq!((again.text(), again.redelivered), ("0", true));
    peer.send(1, &basic::ack(again.tag, ""));
    assert_eq!(read(&mut peer, 1, 5), numbers(1..6));
}

#[test]
fn a_poison_message_dies_for_the_group_and_stays_in_the_stream() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = filled(&mut peer, 3);
        let dead = unique("dead");
        let declare = crate::support::queue::declare(&dead, "durable", table! {});
        peer.ask(1, &declare, &crate::support::queue::declare_ok(&dead, 0, 0));
        let arguments = with(
            "g",
            table! {
                "x-delivery-limit" => Value::I32(3),
                "x-dead-letter-exchange" => "",
                "x-dead-letter-routing-key" => dead.as_str(),
            },
        );
        peer.open(2);
        consume(&mut peer, 2, &name, 1, arguments);
        for _ in 0..2 {
            let got = peer.delivery(2);
            assert_eq!(got.text(), "0");
            peer.send(2, &basic::nack(got.tag, "requeue"));
        }
        let got = peer.delivery(2);
        assert_eq!(got.text(), "0");
        home.settle(end);
        home.restart(end);
        // The group knows how often, and what its consumers asked for.
        let mut peer = home.channel();
        peer.open(2);
        consume(&mut peer, 2, &name, 1, table! { "x-stream-group" => "g" });
        let mut times = 0;
        let next = loop {
            let got = peer.delivery(2);
            if got.text() != "0" {
                break got;
            }
            times += 1;
            assert!(got.redelivered);
            peer.send(2, &basic::nack(got.tag, "requeue"));
        };
        // A clean stop gives back what was out, which counts; after a kill nobody knows of it.
        assert_eq!(
            (next.text(), times),
            ("1", if end == End::Stop { 1 } else { 2 })
        );
        peer.send(2, &basic::reject(next.tag, ""));
        assert_eq!(peer.delivery(2).text(), "2");
        for (text, reason) in [("0", "delivery_limit"), ("1", "rejected")] {
            let letter = peer.take_soon(1, &dead);
            assert_eq!(letter.text(), text);
            assert_eq!(letter.deaths()[0].str("reason"), reason);
            assert_eq!(letter.deaths()[0].str("queue"), name);
        }
        peer.open(3);
        consume(
            &mut peer,
            3,
            &name,
            10,
            table! { "x-stream-offset" => "first" },
        );
        assert_eq!(read(&mut peer, 3, 3), numbers(0..3));
    });
}

#[test]
fn a_single_active_consumer_gets_everything_in_order() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 20);
    let single = || with("g", table! { "x-single-active-consumer" => true });
    let mut first = shared().channel();
    consume(&mut first, 1, &name, 3, single());
    let mut second = shared().channel();
    consume(&mut second, 1, &name, 3, single());
    assert_eq!(read(&mut first, 1, 5), numbers(0..5));
    second.quiet(1, &name);
    first.close();
    // What the first had comes again, in order.
    assert_eq!(read(&mut second, 1, 15), numbers(5..20));
}

#[test]
fn a_consumer_that_asks_for_another_kind_of_group_is_refused() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    peer.open(2);
    consume(&mut peer, 2, &name, 1, group("g"));
    peer.prefetch(1, 1);
    let single = with("g", table! { "x-single-active-consumer" => true });
    let text =
        "PRECONDITION_FAILED - group 'g' has consumers with another x-single-active-consumer";
    peer.refused(1, &basic::consume(&name, "c", "", single), 406, text);
}

#[test]
fn a_filter_skips_for_the_whole_group() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    peer.confirm(1);
    for number in 0..10 {
        let value = if number % 2 == 0 { "even" } else { "odd" };
        let headers = table! { "x-stream-filter-value" => value };
        let properties = crate::support::Properties::headers(headers);
        peer.publish_with(1, "", &name, "", &properties, number.to_string());
    }
    peer.acked(1, 10);
    let odd = || with("g", table! { "x-stream-filter" => "odd" });
    for (channel, wanted) in [(2, [1, 3]), (3, [5, 7])] {
        peer.open(channel);
        consume(&mut peer, channel, &name, 1, odd());
        let got: Vec<u64> = read(&mut peer, channel, 2)
            .iter()
            .map(|one| one.0)
            .collect();
        assert_eq!(got, wanted);
        close(&mut peer, channel);
    }
}

#[test]
fn a_group_without_an_offset_begins_with_what_comes() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 3);
    peer.open(2);
    consume(&mut peer, 2, &name, 5, table! { "x-stream-group" => "g" });
    publish(&mut peer, &name, 3..5);
    assert_eq!(read(&mut peer, 2, 2), numbers(3..5));
    eventually("nothing else", || peer.counts(1, &name) == (5, 0));
}

#[test]
fn a_tag_that_the_broker_makes_names_no_group() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    peer.prefetch(1, 1);
    let text = format!(
        "PRECONDITION_FAILED - invalid arg 'x-stream-group' for queue '{name}' in vhost '/': \"the consumer has no tag to name the group\""
    );
    let arguments = table! { "x-stream-group" => true };
    peer.refused(1, &basic::consume(&name, "", "", arguments), 406, &text);
}
