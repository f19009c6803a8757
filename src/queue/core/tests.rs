//! The core against a simple model: random verbs, and after each of them everything that must hold (see `harness`).

mod harness;
mod model;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use self::harness::{Harness, Op};
use crate::queue::arguments::QueueKind;
use crate::queue::order::{Levels, Order};
use crate::queue::overflow::{Limits, Overflow};
use crate::queue::retry::{Kind, Retry};
use crate::queue::{DeadLetter, Outcome, Rules};

/// Half of the queues are plain.
fn order() -> impl Strategy<Value = (Order, Option<Retry>)> {
    let levels = prop_oneof![
        3 => Just(Levels::One),
        2 => (1..=255u8).prop_map(Levels::Classic),
        1 => Just(Levels::Quorum),
    ];
    let kind = prop_oneof![Just(Kind::All), Just(Kind::Failed), Just(Kind::Returned)];
    let retry = (
        kind,
        1..20u64,
        1..60u64,
        option::of(1000..3000u32),
        0..1000u32,
    )
        .prop_map(|(kind, min_ms, max_ms, factor, jitter)| Retry {
            kind,
            min_ms,
            max_ms,
            factor,
            jitter,
        });
    let special = (
        levels,
        prop::bool::weighted(0.4),
        prop::bool::weighted(0.4),
        prop::bool::weighted(0.1),
        option::weighted(0.4, retry),
    );
    let special = special.prop_map(|(levels, groups, exact_ttl, until_due, retry)| {
        let order = Order {
            levels: if until_due { Levels::One } else { levels },
            group_header: (groups && !until_due).then(|| "key".into()),
            exact_ttl: exact_ttl && !until_due,
            until_due,
            delays: retry.is_some(),
        };
        (order, retry)
    });
    prop_oneof![1 => Just((Order::default(), None)), 1 => special]
}

fn rules() -> impl Strategy<Value = Rules> {
    (
        option::weighted(0.3, 0..40u64),
        option::weighted(0.3, 1..100u64),
        option::weighted(0.3, 0..20u64),
        option::weighted(0.2, 0..400u64),
        any::<bool>(),
        prop_oneof![
            3 => Just(Overflow::DropHead),
            1 => Just(Overflow::RejectPublish),
            1 => Just(Overflow::RejectPublishDlx),
        ],
        (
            option::weighted(0.3, 0..3u32),
            prop::bool::weighted(0.3),
            any::<bool>(),
        ),
        order(),
    )
        .prop_map(
            |(
                message_ttl_ms,
                expires_ms,
                messages,
                bytes,
                dead_letters,
                overflow,
                (delivery_limit, single_active, quorum),
                (order, retry),
            )| Rules {
                delivery_limit,
                shows_count: delivery_limit.is_some(),
                single_active,
                kind: if quorum {
                    QueueKind::Quorum
                } else {
                    QueueKind::Classic
                },
                order,
                retry,
                message_ttl_ms,
                expires_ms,
                limits: Limits {
                    messages,
                    bytes,
                    overflow,
                },
                dead_letter: dead_letters.then(|| DeadLetter {
                    exchange: "dlx".into(),
                    routing_key: None,
                }),
                ..Rules::default()
            },
        )
}

fn op() -> impl Strategy<Value = Op> {
    let count = prop_oneof![40 => 1..8usize, 5 => 20..200usize, 1 => 900..2600usize];
    let len = prop_oneof![20 => 0..60usize, 1 => 15_000..18_000usize, 1 => 150_000..400_000usize];
    let ttl = option::weighted(0.25, 0..30u64);
    let publish = (count, ttl, len, any::<bool>(), any::<bool>()).prop_map(
        |(count, ttl, len, persistent, sparse)| Op::Publish {
            count,
            ttl,
            len,
            persistent,
            sparse,
        },
    );
    let consume = (
        0..harness::CHANNELS,
        any::<bool>(),
        prop::bool::weighted(0.1),
        -1..2i64,
        prop_oneof![Just(0), 1..5u32],
    )
        .prop_map(
            |(channel, no_ack, exclusive, priority, prefetch)| Op::Consume {
                channel,
                no_ack,
                exclusive,
                priority,
                prefetch,
            },
        );
    let outcome = prop_oneof![
        3 => Just(Outcome::Ack),
        1 => Just(Outcome::Discard),
        2 => Just(Outcome::Requeue),
        1 => Just(Outcome::Return)
    ];
    let mask = prop_oneof![
        Just(u64::MAX),
        any::<u64>(),
        (0..64u32).prop_map(|n| 1 << n)
    ];
    prop_oneof![
        8 => publish,
        4 => consume,
        2 => any::<usize>().prop_map(Op::Cancel),
        2 => (0..harness::CHANNELS, 0..6u32).prop_map(|(channel, limit)| Op::Limit { channel, limit }),
        3 => (0..harness::MAILBOXES).prop_map(Op::Poll),
        8 => (0..harness::MAILBOXES, any::<bool>()).prop_map(|(mailbox, prompt)| Op::Drain { mailbox, prompt }),
        8 => (mask.clone(), outcome, any::<bool>())
            .prop_map(|(mask, outcome, prompt)| Op::Settle { mask, outcome, prompt }),
        2 => mask.prop_map(Op::Unsend),
        3 => any::<bool>().prop_map(|no_ack| Op::Get { no_ack }),
        1 => Just(Op::Purge),
        3 => (0..20u64).prop_map(Op::Advance),
        2 => Just(Op::Resume),
        2 => prop_oneof![1..4usize, Just(1000)].prop_map(Op::TakeDying),
        2 => Just(Op::Bury),
        1 => Just(Op::Touch),
        1 => prop::bool::weighted(0.2).prop_map(|force| Op::Delete { force }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_does_what_the_model_says(
        rules in rules(),
        auto_delete in any::<bool>(),
        ops in vec(op(), 1..120),
    ) {
        let mut harness = Harness::new(rules, auto_delete);
        for op in &ops {
            harness.run(op);
            if harness.is_gone() {
                break;
            }
        }
        harness.finish();
    }
}
