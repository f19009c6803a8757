//! Reading: credit, acks, replay, the header, durability.

use std::time::Duration;

use super::stream::{consume, declared, filled, numbers, offset, publish, read};
use crate::support::home::both;
use crate::support::{End, Home, Properties, Value, basic, eventually, shared, tx};

#[test]
fn messages_stay_and_every_reader_gets_all_of_them() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 20);
    for channel in 2..5 {
        peer.open(channel);
        consume(
            &mut peer,
            channel,
            &name,
            7,
            table! { "x-stream-offset" => "first" },
        );
        assert_eq!(read(&mut peer, channel, 20), numbers(0..20));
    }
    assert_eq!(peer.counts(1, &name), (20, 0));
}

#[test]
fn the_prefetch_is_exact_and_any_settle_gives_credit_back() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 12);
    peer.open(2);
    consume(
        &mut peer,
        2,
        &name,
        3,
        table! { "x-stream-offset" => "first" },
    );
    let tags: Vec<u64> = (0..3).map(|_| peer.delivery(2).tag).collect();
    peer.quiet(2, &name);
    peer.send(2, &basic::ack(tags[1], ""));
    assert_eq!(peer.delivery(2).text(), "3");
    peer.quiet(2, &name);
    // Nothing comes again: a reject is an ack.
    peer.send(2, &basic::reject(tags[0], "requeue"));
    assert_eq!(peer.delivery(2).text(), "4");
    peer.send(2, &basic::nack(tags[2], ""));
    assert_eq!(peer.delivery(2).text(), "5");
    peer.send(2, &basic::ack(0, "multiple"));
    assert_eq!(peer.texts(2, 3), ["6", "7", "8"]);
    peer.quiet(2, &name);
    peer.send(2, &basic::recover(true));
    let mut texts = Vec::new();
    while texts.len() < 3 {
        let method = peer.next(2);
        if method.is(60, 60) {
            texts.push(peer.read_delivery(2, &method).text().to_owned());
        } else {
            assert!(method.is(60, 111), "{method:?}");
        }
    }
    assert_eq!(texts, ["9", "10", "11"]);
}

#[test]
fn deliveries_say_where_they_stand_and_are_otherwise_as_published() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    let x = peer.exchange(1, "topic");
    peer.bind(1, &name, &x, "a.*");
    peer.confirm(1);
    peer.publish(1, &x, "a.b", "plain");
    let properties = Properties {
        content_type: Some("text/plain".into()),
        expiration: Some("0".into()),
        headers: Some(table! { "z" => Value::I32(1), "x-stream-offset" => "mine", "a" => "b" }),
        ..Properties::default()
    };
    peer.publish_with(1, &x, "a.c", "", &properties, "more");
    peer.acked(1, 2);
    consume(
        &mut peer,
        1,
        &name,
        10,
        table! { "x-stream-offset" => "first" },
    );
    let plain = peer.delivery(1);
    assert_eq!(
        (plain.exchange.as_str(), plain.routing_key.as_str()),
        (x.as_str(), "a.b")
    );
    assert_eq!(plain.headers().keys(), ["x-stream-offset"]);
    assert_eq!((offset(&plain), plain.redelivered), (0, false));
    let more = peer.delivery(1);
    assert_eq!((more.text(), offset(&more)), ("more", 1));
    assert_eq!(more.headers().keys(), ["z", "a", "x-stream-offset"]);
    assert_eq!(
        more.properties().content_type.as_deref(),
        Some("text/plain")
    );
    assert_eq!(more.properties().expiration.as_deref(), Some("0"));
}

#[test]
fn a_reader_at_the_end_gets_what_is_published() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 5);
    let mut other = shared().channel();
    consume(&mut other, 1, &name, 100, table! {});
    publish(&mut peer, &name, 5..30);
    assert_eq!(read(&mut other, 1, 25), numbers(5..30));
}

#[test]
fn small_and_large_messages_come_back_whole_from_disk() {
    let home = Home::with(&["message_memory_budget=1MiB"]);
    let mut peer = home.channel();
    let name = declared(&mut peer);
    peer.confirm(1);
    let size = |at: usize| [10, 1000, 70_000, 0, 20_000][at % 5];
    let body = |at: usize| vec![at as u8; size(at)];
    for at in 0..400 {
        peer.publish(1, "", &name, body(at));
    }
    peer.acked(1, 400);
    for channel in 2..4 {
        peer.open(channel);
        consume(
            &mut peer,
            channel,
            &name,
            50,
            table! { "x-stream-offset" => "first" },
        );
        for at in 0..400 {
            let delivery = peer.delivery(channel);
            assert_eq!(offset(&delivery), at as u64);
            assert!(delivery.body == body(at), "message {at}");
            peer.send(channel, &basic::ack(delivery.tag, ""));
        }
    }
}

#[test]
fn what_was_confirmed_is_there_after_a_restart_and_offsets_go_on() {
    both(|home, end| {
        let mut peer = home.channel();
        let name = filled(&mut peer, 50);
        home.restart(end);
        let mut peer = home.channel();
        eventually("the count", || peer.counts(1, &name) == (50, 0));
        peer.confirm(1);
        peer.publish(1, "", &name, "50");
        peer.acked(1, 1);
        consume(
            &mut peer,
            1,
            &name,
            10,
            table! { "x-stream-offset" => Value::I64(40) },
        );
        assert_eq!(read(&mut peer, 1, 11), numbers(40..51));
        if end == End::Kill {
            home.restart(End::Stop);
            let mut peer = home.channel();
            consume(
                &mut peer,
                1,
                &name,
                100,
                table! { "x-stream-offset" => "first" },
            );
            assert_eq!(read(&mut peer, 1, 51), numbers(0..51));
        }
    });
}

#[test]
fn a_transaction_publishes_to_it_at_commit() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 1);
    let mut other = shared().channel();
    consume(
        &mut other,
        1,
        &name,
        10,
        table! { "x-stream-offset" => "first" },
    );
    assert_eq!(other.delivery(1).text(), "0");
    peer.open(2);
    peer.ask(2, &tx::select(), &tx::select_ok());
    peer.publish(2, "", &name, "dropped");
    peer.ask(2, &tx::rollback(), &tx::rollback_ok());
    peer.publish(2, "", &name, "kept");
    peer.ask(2, &tx::commit(), &tx::commit_ok());
    let kept = other.delivery(1);
    assert_eq!((kept.text(), offset(&kept)), ("kept", 1));
}

#[test]
fn dead_letters_go_into_a_stream() {
    let mut peer = shared().channel();
    let name = declared(&mut peer);
    let arguments = table! {
        "x-dead-letter-exchange" => "",
        "x-dead-letter-routing-key" => name.as_str(),
    };
    let source = peer.queue_with(1, arguments);
    peer.publish(1, "", &source, "x");
    let got = peer.take_soon(1, &source);
    assert_eq!(got.text(), "x");
    peer.publish(1, "", &source, "y");
    let got = loop {
        if let Some(got) = peer.get(1, &source) {
            break got;
        }
    };
    peer.send(1, &basic::reject(got.tag, ""));
    consume(
        &mut peer,
        1,
        &name,
        1,
        table! { "x-stream-offset" => "first" },
    );
    let dead = peer.delivery(1);
    assert_eq!((dead.text(), offset(&dead)), ("y", 0));
    assert_eq!(dead.deaths()[0].str("reason"), "rejected");
}

#[test]
fn many_readers_at_many_places() {
    let mut peer = shared().channel();
    let name = filled(&mut peer, 100);
    let mut peers: Vec<_> = (0..10u64)
        .map(|at| {
            let mut peer = shared().channel();
            let from = table! { "x-stream-offset" => Value::I64(at as i64 * 10) };
            consume(&mut peer, 1, &name, 4, from);
            (at * 10, peer)
        })
        .collect();
    publish(&mut peer, &name, 100..150);
    for (from, peer) in &mut peers {
        let count = (150 - *from) as usize;
        assert_eq!(read(peer, 1, count), numbers(*from..150));
    }
}

#[test]
fn a_reader_at_the_end_gets_each_message_though_nothing_follows_it() {
    let home = Home::with(&[]);
    let mut peer = home.channel();
    let name = declared(&mut peer);
    let mut reader = home.channel();
    consume(&mut reader, 1, &name, 1000, table! {});
    peer.confirm(1);
    for round in 0..200 {
        // The second comes while the first is on its way to the disk, sooner or later.
        peer.publish(1, "", &name, "first");
        std::thread::sleep(Duration::from_micros(20 * round));
        peer.publish(1, "", &name, "second");
        assert_eq!(reader.texts(1, 2), ["first", "second"]);
    }
}
