//! Other people's clients against the real binary: each tutorial, each pika scenario and the scripted conversation of
//! `interop/` is a test here, with a broker of its own. What they do is written there, in Python; here is only how they
//! are started, and which there are.
#[path = "../support/mod.rs"]
mod support;

mod python;

use support::Broker;

/// One test for each name: the tests of `interop/pika/scenarios/NAME.py`.
macro_rules! scenarios {
    ($($name:ident)*) => {
        /// Every scenario that runs with default settings.
        const SCENARIOS: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                python::unittest(&format!("scenarios.{}", stringify!($name)), &Broker::start().uri());
            }
        )*
    };
}

scenarios! {
    cancel channel_errors confirms connections dead_letters exchanges exclusive get messages qos reply_to returns settle
    streams transactions
}

/// One test for each of the six tutorials.
macro_rules! tutorials {
    ($($name:ident $test:literal)*) => {
        $(
            #[test]
            fn $name() {
                python::unittest(concat!("scenarios.tutorials.Tutorials.test_", $test), &Broker::start().uri());
            }
        )*
    };
}

tutorials! {
    tutorial_hello_world "1_hello_world"
    tutorial_work_queues "2_work_queues"
    tutorial_publish_subscribe "3_publish_subscribe"
    tutorial_routing "4_routing"
    tutorial_topics "5_topics"
    tutorial_rpc "6_rpc"
}

#[test]
fn a_publisher_is_blocked_at_the_memory_watermark() {
    let broker = Broker::with(&[
        "vm_memory_high_watermark.absolute=150MiB",
        "message_memory_budget=1GiB",
    ]);
    python::unittest("scenarios.blocked", &broker.uri());
}

/// The transcript of RabbitMQ 4.0 is stored; what may differ, and why, is in `interop/conversation/differences.toml`.
#[test]
fn the_conversation_is_that_of_rabbitmq() {
    let broker = Broker::start();
    let http = broker.http.expect("a broker of ours offers HTTP").port();
    let uri = format!("{}?http={http}", broker.uri());
    python::run(
        "interop/conversation",
        &["conversation.py", "--compare", "rabbitmq-4.0.txt", &uri],
        None,
    );
}

#[test]
fn the_recorded_conversations_differ_as_explained() {
    python::run(
        "interop/conversation",
        &[
            "conversation.py",
            "--compare",
            "rabbitmq-3.10.txt",
            "rabbitmq-4.0.txt",
        ],
        None,
    );
}

#[test]
fn every_scenario_is_a_test() {
    let mut written: Vec<String> = std::fs::read_dir(python::path("interop/pika/scenarios"))
        .expect("scenarios")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter_map(|name| name.strip_suffix(".py").map(str::to_owned))
        .filter(|name| !["__init__", "tutorials", "blocked"].contains(&name.as_str()))
        .collect();
    written.sort();
    assert_eq!(written, SCENARIOS);
}
