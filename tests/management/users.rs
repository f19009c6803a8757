//! Users and what they may do: made, shown, changed, deleted.

use serde_json::json;

use super::client::{MISSING, bad, guest, of};
use super::support::{Broker, foreign, unique};

#[test]
fn a_user_is_created_once_and_changed_after() {
    let name = unique("u");
    let path = format!("/users/{name}");
    guest()
        .put(&path, r#"{"password":"p","tags":"management, monitoring"}"#)
        .is(201, "");
    let shown = guest().get(&path).json();
    assert_eq!(shown["name"], name);
    assert_eq!(shown["tags"], json!(["management", "monitoring"]));
    assert_eq!(shown["hashing_algorithm"], "rabbit_password_hashing_sha256");
    assert_eq!(shown["limits"], json!({}));
    assert_eq!(shown["password_hash"].as_str().map(str::len), Some(48));
    assert_eq!(guest().with(&name, "p").get("/whoami").status, 200);
    guest()
        .put(&path, r#"{"password":"q","tags":["administrator"]}"#)
        .is(204, "");
    assert_eq!(guest().with(&name, "p").get("/whoami").status, 401);
    let me = guest().with(&name, "q").get("/whoami").json();
    assert_eq!(me["tags"], json!(["administrator"]));
    guest().delete(&path).is(204, "");
    guest().delete(&path).is(404, MISSING);
    guest().get(&path).is(404, MISSING);
    assert_eq!(guest().with(&name, "q").get("/whoami").status, 401);
}

#[test]
fn hashes_are_taken_as_definitions_have_them() {
    let name = unique("u");
    let path = format!("/users/{name}");
    // RabbitMQ's hash of "test12".
    let hash = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
    let body = json!({"password_hash": hash, "tags": "management"});
    guest().put(&path, &body.to_string()).is(201, "");
    assert_eq!(guest().get(&path).json()["password_hash"], hash);
    assert_eq!(guest().with(&name, "test12").get("/whoami").status, 200);
    guest()
        .put(&path, r#"{"password_hash":"!!","tags":""}"#)
        .is(400, &bad(json!(["not_base64", "!!"])));
    // What the API hashes, it takes.
    let hashed = guest().get("/auth/hash_password/s3cret").json()["ok"].clone();
    let body = json!({"password_hash": hashed, "tags": "management"});
    guest().put(&path, &body.to_string()).is(204, "");
    assert_eq!(guest().with(&name, "s3cret").get("/whoami").status, 200);
    // Without any password nobody gets in.
    guest().put(&path, r#"{"tags":"management"}"#).is(204, "");
    assert_eq!(guest().with(&name, "test12").get("/whoami").status, 401);
    assert_eq!(guest().with(&name, "").get("/whoami").status, 401);
    guest().delete(&path).is(204, "");
}

#[test]
fn what_is_no_user_is_refused() {
    let path = format!("/users/{}", unique("u"));
    let refused = |body: &str, reason: serde_json::Value| {
        guest().put(&path, body).is(400, &bad(reason));
    };
    refused(r#"{"password":"p"}"#, json!("tags_not_present"));
    refused(
        r#"{"password":"p","password_hash":"x","tags":""}"#,
        json!("both_password_and_password_hash_are_provided"),
    );
    refused("[]", json!("not_json"));
    for body in [
        r#"{"password":5,"tags":""}"#,
        r#"{"password":"p","tags":5}"#,
        r#"{"password":"p","tags":{}}"#,
        r#"{"tags":"","limits":{"max-connections":"5"}}"#,
        r#"{"tags":"","limits":7}"#,
    ] {
        let status = guest().put(&path, body).status;
        // RabbitMQ says 500 to these.
        assert!(status == 400 || (foreign() && status == 500), "{body}");
    }
    guest().get(&path).is(404, MISSING);
}

#[test]
fn many_users_go_at_once() {
    let (one, two) = (unique("u"), unique("u"));
    for name in [&one, &two] {
        let path = format!("/users/{name}");
        guest().put(&path, r#"{"tags":""}"#).is(201, "");
    }
    let without = guest().get("/users/without-permissions").json();
    let is_there = |name: &str| {
        let all = without.as_array().expect("a list");
        all.iter().any(|user| user["name"] == name)
    };
    assert!(is_there(&one) && is_there(&two) && !is_there("guest"));
    let body = json!({"users": [one, two, "nobody-of-that-name"]});
    guest()
        .post("/users/bulk-delete", &body.to_string())
        .is(204, "");
    guest().get(&format!("/users/{one}")).is(404, MISSING);
    guest().get(&format!("/users/{two}")).is(404, MISSING);
    guest()
        .post("/users/bulk-delete", "{}")
        .is(400, &bad(json!("[{key_missing,users}]")));
}

#[test]
fn permissions_are_given_shown_and_taken() {
    let name = unique("u");
    guest()
        .put(&format!("/users/{name}"), r#"{"tags":""}"#)
        .is(201, "");
    let path = format!("/permissions/%2F/{name}");
    guest()
        .put(&path, r#"{"configure":"a","write":"b"}"#)
        .is(400, &bad(json!("[{key_missing,read}]")));
    let body = r#"{"configure":"a","write":"b","read":""}"#;
    guest().put(&path, body).is(201, "");
    guest().put(&path, body).is(204, "");
    let row = json!({"user": name, "vhost": "/", "configure": "a", "write": "b", "read": ""});
    guest().get(&path).is(200, &row.to_string());
    guest()
        .get(&format!("/users/{name}/permissions"))
        .is(200, &json!([row]).to_string());
    for list in ["/permissions", "/vhosts/%2F/permissions"] {
        let all = guest().get(list).json();
        assert!(all.as_array().expect("a list").contains(&row), "{list}");
    }
    let nowhere = bad(json!("vhost_or_user_not_found"));
    guest()
        .put(&format!("/permissions/none/{name}"), body)
        .is(400, &nowhere);
    guest()
        .put("/permissions/%2F/nobody-here", body)
        .is(400, &nowhere);
    let answer = guest().put(&path, r#"{"configure":"*","write":"b","read":""}"#);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["reason"][0], "invalid_regexp");
    guest().delete(&path).is(204, "");
    guest().delete(&path).is(404, MISSING);
    guest().get(&path).is(404, MISSING);
    guest()
        .get("/users/nobody-here/permissions")
        .is(404, MISSING);
    guest().get("/vhosts/none/permissions").is(404, MISSING);
    guest().delete(&format!("/users/{name}")).is(204, "");
}

#[test]
fn topic_permissions_are_one_for_each_exchange() {
    let name = unique("u");
    guest()
        .put(&format!("/users/{name}"), r#"{"tags":""}"#)
        .is(201, "");
    let path = format!("/topic-permissions/%2F/{name}");
    guest().get(&path).is(404, MISSING);
    let body = r#"{"exchange":"amq.topic","write":"^a","read":"^b"}"#;
    guest().put(&path, body).is(201, "");
    let other = r#"{"exchange":"other","write":"","read":""}"#;
    guest().put(&path, other).is(204, "");
    guest()
        .put(&path, r#"{"exchange":"other","write":""}"#)
        .is(400, &bad(json!("[{key_missing,read}]")));
    let row = |exchange: &str, write: &str, read: &str| json!({"user": name, "vhost": "/", "exchange": exchange, "write": write, "read": read});
    let mut rows = guest().get(&path).json();
    rows.as_array_mut()
        .expect("a list")
        .sort_by_key(|row| row["exchange"].to_string());
    assert_eq!(
        rows,
        json!([row("amq.topic", "^a", "^b"), row("other", "", "")])
    );
    guest().delete(&format!("{path}/other")).is(204, "");
    let left = json!([row("amq.topic", "^a", "^b")]).to_string();
    guest()
        .get(&format!("/users/{name}/topic-permissions"))
        .is(200, &left);
    let all = guest().get("/vhosts/%2F/topic-permissions").json();
    let all = all.as_array().expect("a list").clone();
    assert!(all.contains(&row("amq.topic", "^a", "^b")));
    guest().delete(&path).is(204, "");
    guest().delete(&path).is(404, MISSING);
    guest().delete(&format!("/users/{name}")).is(204, "");
}

#[test]
fn user_limits_are_set_and_cleared_one_by_one() {
    let name = unique("u");
    let path = format!("/user-limits/{name}");
    guest()
        .put(&format!("{path}/max-connections"), r#"{"value":5}"#)
        .is(400, &bad(json!(["no_such_user", name])));
    guest()
        .put(&format!("/users/{name}"), r#"{"tags":""}"#)
        .is(201, "");
    guest().get(&path).is(200, "[]");
    guest()
        .put(&format!("{path}/max-connections"), r#"{"value":5}"#)
        .is(204, "");
    guest()
        .put(&format!("{path}/max-channels"), r#"{"value":-1}"#)
        .is(204, "");
    let both = json!([{"user": name, "value": {"max-connections": 5, "max-channels": -1}}]);
    guest().get(&path).is(200, &both.to_string());
    guest()
        .put(&format!("{path}/max-channels"), r#"{"value":"a"}"#)
        .is(
            400,
            &bad(json!(
                "max-channels should be a number, actually was <<\"a\">>"
            )),
        );
    guest().put(&format!("{path}/zzz"), r#"{"value":1}"#).is(
        400,
        &bad(json!("Unrecognised terms [{<<\"zzz\">>,1}] in user-limits")),
    );
    guest().delete(&format!("{path}/max-channels")).is(204, "");
    guest().delete(&format!("{path}/max-channels")).is(204, "");
    let one = json!([{"user": name, "value": {"max-connections": 5}}]);
    guest().get(&path).is(200, &one.to_string());
    let shown = guest().get(&format!("/users/{name}")).json();
    assert_eq!(shown["limits"], json!({"max-connections": 5}));
    guest().get("/user-limits/nobody-here").is(404, MISSING);
    guest().delete(&format!("/users/{name}")).is(204, "");
}

#[test]
fn tags_decide_who_may_do_what() {
    if foreign() {
        return;
    }
    let broker = Broker::with(&[]);
    let admin = of(&broker);
    admin.put("/vhosts/v", "").is(201, "");
    for (name, tag, enters) in [
        ("mgr", "management", true),
        ("pol", "policymaker", true),
        ("pol0", "policymaker", false),
        ("mon", "monitoring", false),
        ("adm", "administrator", false),
        ("plain", "other", true),
    ] {
        let body = json!({"password": "p", "tags": tag}).to_string();
        admin.put(&format!("/users/{name}"), &body).is(201, "");
        if enters {
            let body = r#"{"configure":"","write":"","read":""}"#;
            let path = format!("/permissions/v/{name}");
            admin.put(&path, body).is(201, "");
        }
    }
    let policy = r#"{"pattern":"x","definition":{"max-length":1}}"#;
    admin.put("/policies/v/p", policy).is(201, "");
    admin.put("/operator-policies/v/p", policy).is(201, "");
    admin
        .put("/vhost-limits/v/max-queues", r#"{"value":5}"#)
        .is(204, "");

    let not_admin = r#"{"error":"not_authorised","reason":"Not administrator user"}"#;
    let not_object =
        r#"{"error":"not_authorised","reason":"User not authorised to access object"}"#;
    let not_vhost =
        r#"{"error":"not_authorised","reason":"User not authorised to access virtual host"}"#;
    for name in ["mgr", "pol", "mon"] {
        let client = admin.with(name, "p");
        for path in [
            "/users",
            "/users/mgr",
            "/users/mgr/permissions",
            "/users/without-permissions",
            "/permissions",
            "/permissions/v/mgr",
            "/topic-permissions",
            "/vhosts/v",
            "/vhosts/v/permissions",
            "/vhosts/none/permissions",
            "/operator-policies/v/p",
            "/definitions",
            "/definitions/v",
            "/auth/hash_password/secret",
        ] {
            client.get(path).is(401, not_admin);
        }
        for path in [
            "/users/x",
            "/vhosts/x",
            "/permissions/v/mgr",
            "/operator-policies/v/p",
            "/vhost-limits/v/max-queues",
            "/user-limits/mgr/max-channels",
            "/cluster-name",
        ] {
            client.put(path, "{}").is(401, not_admin);
        }
        client.post("/definitions", "{}").is(401, not_admin);
        client.post("/definitions/v", "{}").is(401, not_admin);
        client.post("/users/bulk-delete", "{}").is(401, not_admin);
        client.delete("/vhosts/v").is(401, not_admin);
        client.delete("/users/mgr").is(401, not_admin);
    }
    let count = |name: &str, path: &str| {
        let answer = admin.with(name, "p").get(path);
        assert_eq!(answer.status, 200, "{name} {path} {answer:?}");
        answer.json().as_array().map(Vec::len)
    };
    for path in ["/policies", "/operator-policies"] {
        assert_eq!(count("adm", path), Some(1), "{path}");
        assert_eq!(count("mgr", path), Some(1), "{path}");
        assert_eq!(count("pol0", path), Some(0), "{path}");
        assert_eq!(count("mon", path), Some(0), "{path}");
        let one = format!("{path}/v");
        assert_eq!(count("mgr", &one), Some(1));
        admin.with("mon", "p").get(&one).is(401, not_vhost);
    }
    let put = |name: &str, path: &str, body: &str| admin.with(name, "p").put(path, body);
    put("pol", "/policies/v/q", policy).is(201, "");
    put("adm", "/policies/v/q", policy).is(204, "");
    put("pol0", "/policies/v/q", policy).is(401, not_object);
    put("mgr", "/policies/v/q", policy).is(401, not_object);
    put("mon", "/policies/v/q", policy).is(401, not_object);
    admin
        .with("mgr", "p")
        .get("/policies/v/q")
        .is(401, not_object);
    admin.with("pol", "p").delete("/policies/v/q").is(204, "");
    let limits = r#"{"value":{"max-queues":7}}"#;
    put("pol", "/parameters/vhost-limits/v/limits", limits).is(204, "");
    put("pol0", "/parameters/vhost-limits/v/limits", limits).is(401, not_object);
    put("mgr", "/parameters/vhost-limits/v/limits", limits).is(401, not_object);
    assert_eq!(count("pol", "/parameters"), Some(2));
    assert_eq!(count("pol0", "/parameters"), Some(0));
    assert_eq!(count("adm", "/parameters"), Some(2));
    admin
        .with("mgr", "p")
        .get("/parameters")
        .is(401, not_object);
    admin
        .with("mon", "p")
        .get("/global-parameters")
        .is(401, not_object);
    put("pol0", "/global-parameters/g", r#"{"value":5}"#).is(201, "");
    assert_eq!(count("mon", "/vhost-limits"), Some(1));
    assert_eq!(count("mgr", "/vhost-limits"), Some(1));
    assert_eq!(count("pol0", "/vhost-limits"), Some(0));
    admin
        .with("pol0", "p")
        .get("/vhost-limits/v")
        .is(401, not_vhost);
    assert_eq!(count("mgr", "/user-limits"), Some(0));
    let stranger = r#"{"error":"not_authorised","reason":"Not management user"}"#;
    admin.with("plain", "p").get("/policies").is(401, stranger);
}
