//! x-overflow: queues that refuse (BEHAVIOURS 4.5).

use crate::support::{Peer, Properties, Table, basic, queue, shared, tx, unique};

const ACK: u16 = 80;
const NACK: u16 = 120;

/// The answers to `count` publishes, each ack or nack taken apart: (number, accepted), in order of the numbers.
fn answers(peer: &mut Peer, channel: u16, from: u64, count: u64) -> Vec<bool> {
    let mut known: Vec<Option<bool>> = vec![None; count as usize];
    while known.iter().any(Option::is_none) {
        let method = peer.next(channel);
        assert!(method.is(60, ACK) || method.is(60, NACK), "{method:?}");
        let last = method.number(0);
        let first = if method.number(1) & 1 == 1 {
            from
        } else {
            last
        };
        for number in first..=last {
            let slot = &mut known[(number - from) as usize];
            if slot.is_none() {
                *slot = Some(method.is(60, ACK));
            }
        }
    }
    known.into_iter().flatten().collect()
}

fn rejecting(peer: &mut Peer, most: i32) -> String {
    let arguments = table! { "x-max-length" => most, "x-overflow" => "reject-publish" };
    peer.queue_with(1, arguments)
}

#[test]
fn a_full_queue_nacks() {
    let mut peer = shared().channel();
    let queue = rejecting(&mut peer, 2);
    peer.confirm(1);
    for body in ["1", "2", "3", "4"] {
        peer.publish(1, "", &queue, body);
    }
    assert_eq!(answers(&mut peer, 1, 1, 4), [true, true, false, false]);
    peer.has(1, &queue, 2, 0);
    assert_eq!(peer.take(1, &queue).expect("there").text(), "1");
    // Room again.
    peer.publish(1, "", &queue, "5");
    peer.publish(1, "", &queue, "6");
    assert_eq!(answers(&mut peer, 1, 5, 2), [true, false]);
    assert_eq!(peer.take(1, &queue).expect("there").text(), "2");
    assert_eq!(peer.take(1, &queue).expect("there").text(), "5");
}

#[test]
fn persistent_messages_keep_their_order_of_answers() {
    let mut peer = shared().channel();
    let name = unique("rejecting");
    let arguments = table! { "x-max-length" => 3i32, "x-overflow" => "reject-publish" };
    peer.ask(
        1,
        &queue::declare(&name, "durable", arguments),
        &queue::declare_ok(&name, 0, 0),
    );
    peer.confirm(1);
    for number in 0..6 {
        let key = if number % 2 == 0 { &name } else { "nowhere" };
        peer.publish_with(1, "", key, "", &Properties::persistent(), "x");
    }
    assert_eq!(answers(&mut peer, 1, 1, 6), [true; 6]);
    for number in 0..4 {
        let key = if number % 2 == 0 { &name } else { "nowhere" };
        peer.publish_with(1, "", key, "", &Properties::persistent(), "x");
    }
    assert_eq!(answers(&mut peer, 1, 7, 4), [false, true, false, true]);
    peer.ask(1, &queue::delete(&name, ""), &queue::delete_ok(3));
}

#[test]
fn bytes_are_those_of_the_bodies() {
    let mut peer = shared().channel();
    let arguments = table! { "x-max-length-bytes" => 6i32, "x-overflow" => "reject-publish" };
    let queue = peer.queue_with(1, arguments);
    peer.confirm(1);
    for body in ["1111", "333", "22", "1", ""] {
        peer.publish(1, "", &queue, body);
    }
    assert_eq!(
        answers(&mut peer, 1, 1, 5),
        [true, false, true, false, true]
    );
    peer.has(1, &queue, 3, 0);
}

#[test]
fn zero_refuses_all_even_with_a_consumer() {
    let mut peer = shared().channel();
    let queue = rejecting(&mut peer, 0);
    peer.open(2);
    peer.consume(2, &queue, "t", "");
    peer.confirm(1);
    peer.publish(1, "", &queue, "1");
    assert_eq!(answers(&mut peer, 1, 1, 1), [false]);
    peer.has(1, &queue, 0, 1);
}

#[test]
fn a_consumer_makes_room_within_a_batch() {
    let mut peer = shared().channel();
    let queue = rejecting(&mut peer, 1);
    peer.open(2);
    peer.prefetch(2, 5);
    peer.consume(2, &queue, "t", "");
    peer.confirm(1);
    for number in 0..8 {
        peer.publish(1, "", &queue, number.to_string());
    }
    // Five are out, one waits.
    let mut expected = [true; 8];
    expected[6..].fill(false);
    assert_eq!(answers(&mut peer, 1, 1, 8), expected);
    assert_eq!(peer.texts(2, 5), ["0", "1", "2", "3", "4"]);
}

#[test]
fn expired_messages_make_room() {
    let mut peer = shared().channel();
    let queue = rejecting(&mut peer, 1);
    peer.confirm(1);
    let properties = Properties::expiration("50");
    peer.publish_with(1, "", &queue, "", &properties, "short");
    assert_eq!(answers(&mut peer, 1, 1, 1), [true]);
    peer.wait_ready(1, &queue, 0);
    peer.publish(1, "", &queue, "next");
    assert_eq!(answers(&mut peer, 1, 2, 1), [true]);
}

#[test]
fn requeued_messages_stay_above_the_limit() {
    let mut peer = shared().channel();
    let queue = rejecting(&mut peer, 1);
    peer.publish(1, "", &queue, "1");
    peer.has(1, &queue, 1, 0);
    let held = peer.get(1, &queue).expect("there");
    peer.publish(1, "", &queue, "2");
    peer.has(1, &queue, 1, 0);
    peer.send(1, &basic::nack(held.tag, "requeue"));
    peer.quiet(1, &queue);
    peer.has(1, &queue, 2, 0);
    assert_eq!(peer.take(1, &queue).expect("there").text(), "1");
}

#[test]
fn without_confirms_it_is_dropped_and_not_returned() {
    let mut peer = shared().channel();
    let queue = rejecting(&mut peer, 1);
    let properties = Properties::default();
    for body in ["1", "2"] {
        peer.publish_with(1, "", &queue, "mandatory", &properties, body);
    }
    peer.has(1, &queue, 1, 0);
    assert_eq!(peer.take(1, &queue).expect("there").text(), "1");
}

#[test]
fn one_refusal_of_several_queues_nacks() {
    let mut peer = shared().channel();
    let (small, large) = (rejecting(&mut peer, 1), rejecting(&mut peer, 3));
    let fanout = peer.exchange(1, "fanout");
    for queue in [&small, &large] {
        peer.bind(1, queue, &fanout, "");
    }
    peer.open(2);
    peer.confirm(1);
    peer.confirm(2);
    for body in ["1", "2"] {
        peer.publish(1, &fanout, "", body);
    }
    assert_eq!(answers(&mut peer, 1, 1, 2), [true, false]);
    // Each channel has its own numbers.
    peer.publish(2, "", &large, "3");
    peer.publish(2, &fanout, "", "4");
    assert_eq!(answers(&mut peer, 2, 1, 2), [true, false]);
    peer.has(1, &small, 1, 0);
    peer.has(1, &large, 3, 0);
}

#[test]
fn a_refused_message_is_dead_lettered_where_that_is_wanted() {
    let mut peer = shared().channel();
    let grave = peer.queue(1);
    let arguments = table! {
        "x-max-length" => 1i32, "x-overflow" => "reject-publish-dlx",
        "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => &grave
    };
    let queue = peer.queue_with(1, arguments);
    peer.confirm(1);
    for body in ["1", "2", "3"] {
        peer.publish(1, "", &queue, body);
    }
    assert_eq!(answers(&mut peer, 1, 1, 3), [true, false, false]);
    peer.wait_ready(1, &grave, 2);
    for body in ["2", "3"] {
        let letter = peer.take(1, &grave).expect("there");
        assert_eq!(letter.text(), body);
        let deaths = letter.deaths();
        assert_eq!(
            (deaths[0].str("reason"), deaths[0].str("queue")),
            ("maxlen", &*queue)
        );
    }
    assert_eq!(peer.take(1, &queue).expect("there").text(), "1");
}

#[test]
fn full_queues_that_bury_in_each_other_end() {
    let mut peer = shared().channel();
    let names = [unique("ring"), unique("ring"), unique("ring")];
    for (at, name) in names.iter().enumerate() {
        let arguments = table! {
            "x-max-length" => 0i32, "x-overflow" => "reject-publish-dlx",
            "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => &names[(at + 1) % 3]
        };
        peer.ask(
            1,
            &queue::declare(name, "exclusive", arguments),
            &queue::declare_ok(name, 0, 0),
        );
    }
    peer.confirm(1);
    peer.publish(1, "", &names[0], "x");
    assert_eq!(answers(&mut peer, 1, 1, 1), [false]);
    for name in &names {
        peer.has(1, name, 0, 0);
    }
}

#[test]
fn a_dead_letter_to_a_full_queue_is_lost() {
    let mut peer = shared().channel();
    let grave = rejecting(&mut peer, 1);
    let arguments: Table = table! {
        "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => &grave, "x-max-length" => 0i32
    };
    let queue = peer.queue_with(1, arguments);
    for body in ["1", "2"] {
        peer.publish(1, "", &queue, body);
    }
    peer.wait_ready(1, &grave, 1);
    peer.quiet(1, &queue);
    assert_eq!(peer.take_soon(1, &grave).text(), "1");
    peer.has(1, &grave, 0, 0);
}

#[test]
fn a_transaction_is_refused_as_a_whole() {
    let mut peer = shared().channel();
    let (small, other) = (rejecting(&mut peer, 1), peer.queue(1));
    let source = peer.queue(1);
    peer.publish(1, "", &source, "work");
    peer.has(1, &source, 1, 0);
    peer.open(2);
    peer.ask(2, &tx::select(), &tx::select_ok());
    let work = peer.get(2, &source).expect("there");
    peer.publish(2, "", &other, "fits");
    peer.publish(2, "", &small, "fits");
    peer.publish(2, "", &small, "does not");
    peer.send(2, &basic::ack(work.tag, ""));
    let text = "PRECONDITION_FAILED - partial tx completion";
    peer.refused(2, &tx::commit(), 406, text);
    decided!("RabbitMQ has placed what fits, and acknowledged");
    peer.has(1, &small, 0, 0);
    peer.has(1, &other, 0, 0);
    peer.wait_ready(1, &source, 1);
    assert!(peer.take(1, &source).expect("back").redelivered);
    // What fits is done.
    peer.ask(2, &tx::select(), &tx::select_ok());
    peer.publish(2, "", &small, "fits");
    peer.publish(2, "", &other, "fits");
    peer.ask(2, &tx::commit(), &tx::commit_ok());
    peer.has(1, &small, 1, 0);
    peer.has(1, &other, 1, 0);
}

#[test]
fn a_transaction_may_fill_what_its_consumers_empty() {
    let mut peer = shared().channel();
    let queue = rejecting(&mut peer, 1);
    peer.open(2);
    peer.prefetch(2, 2);
    peer.consume(2, &queue, "t", "");
    peer.open(3);
    peer.ask(3, &tx::select(), &tx::select_ok());
    for body in ["1", "2", "3"] {
        peer.publish(3, "", &queue, body);
    }
    peer.ask(3, &tx::commit(), &tx::commit_ok());
    assert_eq!(peer.texts(2, 2), ["1", "2"]);
    peer.has(1, &queue, 1, 1);
}

#[test]
fn redeclared_with_another_overflow() {
    let mut peer = shared().channel();
    let name = unique("q");
    let declare = |overflow: &str| {
        queue::declare(
            &name,
            "exclusive",
            table! { "x-max-length" => 1i32, "x-overflow" => overflow },
        )
    };
    peer.ask(
        1,
        &declare("reject-publish"),
        &queue::declare_ok(&name, 0, 0),
    );
    let text = format!(
        "PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue '{name}' in vhost '/': received 'drop-head' but current is 'reject-publish'"
    );
    peer.refused(1, &declare("drop-head"), 406, &text);
}
