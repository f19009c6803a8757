//! Users, permissions, vhosts, policies, definitions: rabbitmqctl's texts and codes, as RabbitMQ 4.0's said them.

use serde_json::json;

use super::run::{ctl, leveret, quiet, uri};
use super::support::{End, Home, Login, home, queue};

#[test]
fn users_come_change_and_go() {
    let broker = own!();
    let added = "Adding user \"bob\" ...\nDone. Don't forget to grant the user permissions to some virtual hosts! See 'rabbitmqctl help set_permissions' to learn more.\n";
    ctl(&broker, &["add_user", "bob", "secret"]).says(added);
    let again = ctl(&broker, &["add_user", "bob", "secret"]);
    again.fails(70, "Error:\nUser \"bob\" already exists\n");
    quiet(&broker, &["list_users"]).says("user\ttags\nbob\t[]\nguest\t[administrator]\n");
    ctl(
        &broker,
        &["set_user_tags", "bob", "management", "policymaker"],
    )
    .says("Setting tags for user \"bob\" to [management, policymaker] ...\n");
    let users = quiet(&broker, &["list_users", "--formatter", "json"]).json();
    assert_eq!(
        users[0],
        json!({"user": "bob", "tags": ["management", "policymaker"]})
    );
    ctl(&broker, &["change_password", "bob", "other"])
        .says("Changing password for user \"bob\" ...\n");
    let missing = "Error:\nUser \"nobody\" does not exist\n";
    ctl(&broker, &["change_password", "nobody", "x"]).fails(67, missing);
    quiet(&broker, &["authenticate_user", "bob", "other"]).says("Success\n");
    let failed = ctl(&broker, &["authenticate_user", "bob", "secret"]);
    failed.fails(65, "Error: failed to authenticate user \"bob\"\n");
    assert_eq!(
        quiet(&broker, &["set_permissions", "bob", ".*", ".*", ".*"]).code,
        0
    );
    // He logs in, and is put out when he is deleted.
    let login = Login {
        user: "bob".into(),
        password: "other".into(),
        ..broker.login()
    };
    let mut peer = broker.peer_with(&login);
    ctl(&broker, &["delete_user", "bob"]).says("Deleting user \"bob\" ...\n");
    peer.expect_connection_close(320, "CONNECTION_FORCED - user 'bob' is deleted", 0, 0);
    // Once more is no fault.
    ctl(&broker, &["delete_user", "bob"]).says("Deleting user \"bob\" ...\n");
    quiet(&broker, &["list_users", "--no-table-headers"]).says("guest\t[administrator]\n");
}

#[test]
fn permissions_are_granted_per_vhost_and_taken_back() {
    let broker = own!();
    quiet(&broker, &["add_user", "bob", "secret"]);
    ctl(&broker, &["add_vhost", "v1"]).says("Adding vhost \"v1\" ...\n");
    quiet(&broker, &["list_vhosts", "name", "tracing"])
        .says("name\ttracing\n/\tfalse\nv1\tfalse\n");
    ctl(
        &broker,
        &["set_permissions", "-p", "v1", "bob", ".*", "", "^amq"],
    )
    .says("Setting permissions for user \"bob\" in vhost \"v1\" ...\n");
    let listed = ctl(&broker, &["list_permissions", "-p", "v1"]);
    assert!(
        listed.out.starts_with(
            "Listing permissions for vhost \"v1\" ...\nuser\tconfigure\twrite\tread\n"
        ),
        "{listed:?}"
    );
    assert!(listed.out.contains("\nbob\t.*\t\t^amq\n"), "{listed:?}");
    quiet(&broker, &["list_user_permissions", "bob"])
        .says("vhost\tconfigure\twrite\tread\nv1\t.*\t\t^amq\n");
    let none = "Virtual host 'none' does not exist\n";
    ctl(&broker, &["list_permissions", "-p", "none"]).fails(65, none);
    let none = "Error:\nVirtual host none does not exist\n";
    ctl(
        &broker,
        &["set_permissions", "-p", "none", "bob", "", "", ""],
    )
    .fails(69, none);
    let nobody = "Error:\nUser nobody does not exist\n";
    ctl(
        &broker,
        &["set_permissions", "-p", "v1", "nobody", "", "", ""],
    )
    .fails(67, nobody);
    let words = ["set_permissions", "-p", "v1", "bob", "(", "", ""];
    assert_eq!(ctl(&broker, &words).code, 69);

    let words = [
        "set_topic_permissions",
        "-p",
        "v1",
        "bob",
        "amq.topic",
        "^a",
        "^b",
    ];
    ctl(&broker, &words)
        .says("Setting topic permissions on \"amq.topic\" for user \"bob\" in vhost \"v1\" ...\n");
    quiet(&broker, &["list_topic_permissions", "-p", "v1"])
        .says("user\texchange\twrite\tread\nbob\tamq.topic\t^a\t^b\n");
    ctl(&broker, &["clear_topic_permissions", "-p", "v1", "bob"])
        .says("Clearing topic permissions for user \"bob\" in vhost \"v1\" ...\n");
    let listed = quiet(&broker, &["list_topic_permissions", "-p", "v1"]);
    assert!(!listed.out.contains("bob"), "{listed:?}");
    ctl(&broker, &["clear_permissions", "-p", "v1", "bob"])
        .says("Clearing permissions for user \"bob\" in vhost \"v1\" ...\n");
    let listed = quiet(&broker, &["list_permissions", "-p", "v1"]);
    assert!(!listed.out.contains("bob"), "{listed:?}");
    ctl(&broker, &["delete_vhost", "v1"]).says("Deleting vhost \"v1\" ...\n");
    ctl(&broker, &["delete_vhost", "v1"]).fails(65, "Virtual host 'v1' does not exist\n");
}

#[test]
fn policies_apply_and_bad_ones_are_refused_whole() {
    let broker = own!();
    let mut peer = broker.channel();
    peer.ask(
        1,
        &queue::declare("a1", "", table! {}),
        &queue::declare_ok("a1", 0, 0),
    );
    let definition = r#"{"max-length":2}"#;
    ctl(&broker, &["set_policy", "pol", "^a", definition, "--priority", "3", "--apply-to", "queues"]).says(
        "Setting policy \"pol\" for pattern \"^a\" to \"{\"max-length\":2}\" with priority \"3\" for vhost \"/\" ...\n",
    );
    ctl(&broker, &["list_policies"]).says(
        "Listing policies for vhost \"/\" ...\nvhost\tname\tpattern\tapply-to\tdefinition\tpriority\n/\tpol\t^a\tqueues\t{\"max-length\":2}\t3\n",
    );
    for _ in 0..5 {
        peer.publish(1, "", "a1", "x");
    }
    assert_eq!(peer.counts(1, "a1").0, 2);
    let shown = quiet(
        &broker,
        &["list_queues", "--no-table-headers", "name", "policy"],
    );
    shown.says("a1\tpol\n");
    let refused = ctl(&broker, &["set_policy", "bad", "^a", r#"{"nonsense":5}"#]);
    refused.fails(
        69,
        "Error:\nValidation failed\n\n[{<<\"nonsense\">>,5}] are not recognised policy settings\n",
    );
    let refused = ctl(&broker, &["set_policy", "bad", "^a", "no json"]);
    refused.fails(69, "Could not parse JSON document");
    ctl(&broker, &["set_policy", "bad", "(", definition])
        .fails(69, "pattern should be regular expression");
    assert_eq!(
        quiet(&broker, &["list_policies", "--formatter", "json"])
            .json()
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    ctl(&broker, &["list_policies", "-p", "none"])
        .fails(65, "Virtual host 'none' does not exist\n");
    ctl(&broker, &["clear_policy", "pol"]).says("Clearing policy \"pol\" on vhost \"/\" ...\n");
    assert_eq!(ctl(&broker, &["clear_policy", "pol"]).code, 69);
    let shown = quiet(&broker, &["list_policies"]);
    assert!(!shown.out.contains("pol"), "{shown:?}");
}

#[test]
fn tracing_is_turned_on_and_off() {
    let broker = own!();
    ctl(&broker, &["trace_on"])
        .says("Starting tracing for vhost \"/\" ...\nTrace enabled for vhost /\n");
    quiet(&broker, &["list_vhosts", "--no-table-headers", "tracing"]).says("true\n");
    ctl(&broker, &["trace_off"])
        .says("Stopping tracing for vhost \"/\" ...\nTrace disabled for vhost /\n");
    quiet(&broker, &["list_vhosts", "--no-table-headers", "tracing"]).says("false\n");
    assert_ne!(ctl(&broker, &["trace_on", "-p", "none"]).code, 0);
}

#[test]
fn definitions_go_out_of_one_broker_and_into_another() {
    let (one, two) = (own!(), own!());
    let mut peer = one.channel();
    peer.ask(
        1,
        &queue::declare("q", "durable", table! { "x-max-length" => 5 }),
        &queue::declare_ok("q", 0, 0),
    );
    quiet(&one, &["add_user", "bob", "secret"]);
    quiet(&one, &["set_policy", "p", "^q", r#"{"expires":3600000}"#]);
    let file = home::fresh("definitions");
    let name = file.to_str().expect("UTF-8");
    leveret(&["export", name, "--uri", &uri(&one)]).says("");
    leveret(&["import", name, "--uri", &uri(&two)]).says("");
    let documents = [&one, &two].map(|broker| {
        let mut document = leveret(&["export", "--uri", &uri(broker)]).json();
        document
            .as_object_mut()
            .expect("an object")
            .remove("explanation");
        document
    });
    assert_eq!(documents[0], documents[1]);
    quiet(
        &two,
        &["list_queues", "--no-table-headers", "name", "policy"],
    )
    .says("q\tp\n");
    quiet(&two, &["authenticate_user", "bob", "secret"]).says("Success\n");
    std::fs::write(&file, r#"{"queues":[{"name":"bad","vhost":"/","durable":true,"auto_delete":false,"arguments":{"x-max-length":"many"}},{"name":"good","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}"#).expect("written");
    let refused = leveret(&["import", name, "--uri", &uri(&two)]);
    refused.fails(69, "bad");
    quiet(&two, &["list_queues", "--no-table-headers", "name"]).says("q\n");
    std::fs::remove_file(&file).expect("it was there");
}

#[test]
fn what_was_answered_survives_a_kill() {
    let mut home = Home::with(&[]);
    let steps: [&[&str]; 6] = [
        &["add_vhost", "v"],
        &["add_user", "bob", "secret"],
        &["set_permissions", "-p", "v", "bob", "c", "w", "r"],
        &[
            "set_topic_permissions",
            "-p",
            "v",
            "bob",
            "amq.topic",
            "^a",
            "^b",
        ],
        &["set_policy", "-p", "v", "pol", "^q", r#"{"max-length":2}"#],
        &["trace_on", "-p", "v"],
    ];
    for step in steps {
        let said = quiet(&home, step);
        assert_eq!(said.code, 0, "{step:?} {said:?}");
        home.restart(End::Kill);
    }
    quiet(&home, &["authenticate_user", "bob", "secret"]).says("Success\n");
    let listed = quiet(&home, &["list_permissions", "-p", "v"]);
    assert!(listed.out.contains("\nbob\tc\tw\tr\n"), "{listed:?}");
    quiet(
        &home,
        &["list_topic_permissions", "-p", "v", "--no-table-headers"],
    )
    .says("bob\tamq.topic\t^a\t^b\n");
    quiet(&home, &["list_policies", "-p", "v", "--no-table-headers"])
        .says("v\tpol\t^q\tall\t{\"max-length\":2}\t0\n");
    let listed = quiet(
        &home,
        &["list_vhosts", "--no-table-headers", "name", "tracing"],
    );
    listed.says("/\tfalse\nv\ttrue\n");
    for step in [["delete_user", "bob"], ["delete_vhost", "v"]] {
        assert_eq!(quiet(&home, &step).code, 0);
        home.restart(End::Kill);
    }
    quiet(&home, &["list_users", "--no-table-headers"]).says("guest\t[administrator]\n");
    quiet(&home, &["list_vhosts", "--no-table-headers"]).says("/\n");
}
