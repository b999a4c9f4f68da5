//! The master key changes while servers run: with `JETON_MASTER_KEY_OLD` there is no downtime, and servers may be
//! started, stopped or killed at any moment.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use jeton::keys::master::MasterKey;
use serde_json::{Value, json};

use super::{Place, Running, make_client};
use crate::support::program::Guard;
use crate::support::{Backend, on_both_stores};

/// Where the new master key and the old one are set.
fn in_the_move(place: &Place, new: &str) -> Place {
    let mut moving = place.with("JETON_MASTER_KEY", new);
    moving.set("JETON_MASTER_KEY_OLD", &place.environment["JETON_MASTER_KEY"]);
    moving
}

/// What `jeton doctor` finds about the keys.
fn keys_checked(place: &Place) -> (bool, String) {
    let ran = place.run(&["doctor", "--output", "json"]);
    let checks: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let keys = checks["items"].as_array().or(checks.as_array()).unwrap().iter().find(|check| check["check"] == "keys");
    let keys = keys.unwrap_or_else(|| panic!("{checks}"));
    (keys["ok"] == true, keys["finding"].as_str().unwrap().to_owned())
}

/// What was issued before the change and must stay valid throughout.
#[derive(Clone)]
struct Issued {
    secret: String,
    access: String,
    refresh: String,
}

impl Issued {
    /// Whether a server accepts all of it, refreshes, and issues more.
    async fn is_good_at(&mut self, server: &Running) {
        let app = Some(("app", self.secret.as_str()));
        let (_, answer) = server.form("/auth/introspect", app, &[("token", &self.access)]).await;
        assert_eq!(answer["active"], json!(true), "{answer}");
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", self.refresh.as_str())];
        let (status, answer) = server.form("/auth/token", app, &refresh).await;
        assert_eq!(status, 200, "{answer}");
        self.refresh = answer["refresh_token"].as_str().unwrap().to_owned();
    }
}

/// Sends requests to a server without a pause until it is dropped or stopped; every answer has to be right.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    fn on(base: &str, issued: &Issued) -> Self {
        let (stop, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&asked));
        let (base, issued, http) = (base.to_owned(), issued.clone(), reqwest::Client::new());
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let post = |path: &str, form: &[(&str, &str)]| {
                    http.post(format!("{base}{path}")).basic_auth("app", Some(&issued.secret)).form(form).send()
                };
                let answer = post("/auth/token", &[("grant_type", "client_credentials")]).await.unwrap();
                assert_eq!(answer.status(), 200);
                let made: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
                for token in [&issued.access, made["access_token"].as_str().unwrap()] {
                    let answer = post("/auth/introspect", &[("token", token)]).await.unwrap().text().await.unwrap();
                    assert!(answer.starts_with(r#"{"active":true"#), "{answer}");
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, asked, task }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        assert!(self.asked.load(Ordering::Relaxed) > 0);
    }
}

on_both_stores!(a_fleet_moves_to_another_master_key_under_load_while_keys_are_rotated, async |backend| {
    let place = Place::new(backend).await;
    let secret = make_client(&place, "app");
    place.run_with(&["user", "create", "alice"], "wonderland\n").ok();
    let first = place.serve(&[]);
    let login = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
    let (_, tokens) = first.form("/auth/token", Some(("app", &secret)), &login).await;
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let mut issued = Issued { secret, access: text("access_token"), refresh: text("refresh_token") };

    // Every node gets the new master key along with the old one; nothing is wrapped with the new one yet.
    let new = MasterKey::generate();
    let moving = in_the_move(&place, &new);
    let nodes = match backend {
        Backend::Postgres => [moving.serve(&[]), moving.serve(&[])].into_iter().collect::<Vec<_>>(),
        Backend::Sqlite => vec![],
    };
    assert_eq!(first.stop().code(), Some(0));
    let nodes = if nodes.is_empty() { vec![moving.serve(&[])] } else { nodes };
    assert_eq!(
        keys_checked(&moving),
        (true, "2 keys are under JETON_MASTER_KEY_OLD: run `jeton key rewrap` next".into())
    );

    // The keys are rewrapped while others create keys, and requests go to all nodes.
    let loads: Vec<Load> = nodes.iter().map(|node| Load::on(&node.base, &issued)).collect();
    thread::scope(|scope| {
        let rotations = scope.spawn(|| moving.run(&["key", "rotate"]).ok());
        let said = moving.run(&["key", "rewrap"]).ok();
        assert!(said.contains("remove JETON_MASTER_KEY_OLD"), "{said}");
        rotations.join().unwrap();
    });
    moving.run(&["key", "rewrap"]).ok(); // once more changes nothing
    let (ok, finding) = keys_checked(&moving);
    assert!(ok && finding.contains("JETON_MASTER_KEY_OLD can be removed"), "{finding}");
    for load in loads {
        load.end().await;
    }
    for node in &nodes {
        issued.is_good_at(node).await;
    }

    // The old one is removed, node by node; killed or stopped makes no difference.
    let mut over = place.with("JETON_MASTER_KEY", &new);
    over.environment.remove("JETON_MASTER_KEY_OLD");
    for node in nodes {
        node.kill();
    }
    let node = over.serve(&[]);
    issued.is_good_at(&node).await;
    assert_eq!(over.json(&["key", "list"]).as_array().unwrap().len(), 4);
    assert_eq!(keys_checked(&over), (true, "4 keys, all readable".into()));
    assert_eq!(node.stop().code(), Some(0));
    place.run(&["serve"]).refused_at_start(&["JETON_MASTER_KEY is not", "key reset"]);
});

on_both_stores!(
    a_command_that_is_killed_while_it_wraps_keys_anew_leaves_all_or_none_of_them_changed,
    async |backend| {
        let mut place = Place::new(backend).await;
        assert_eq!(place.serve(&[]).stop().code(), Some(0));
        place.run(&["key", "rotate"]).ok();
        // The delay comes near the moment of the change, wherever that is on this machine.
        let (mut changed, mut kept, mut delay) = (0, 0, Duration::from_millis(20));
        for round in 0.. {
            if round >= 24 && changed > 0 && kept > 0 {
                break;
            }
            assert!(round < 200, "{changed} were changed, {kept} were not");
            let new = MasterKey::generate();
            let moving = in_the_move(&place, &new);
            let mut command = moving.command(&["key", "rewrap"]);
            let mut child =
                Guard(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            thread::sleep(delay);
            let _ = child.0.kill();
            child.0.wait().unwrap();
            let with_new = place.with("JETON_MASTER_KEY", &new);
            let (by_old, by_new) = (keys_checked(&place).0, keys_checked(&with_new).0);
            assert!(by_old != by_new, "round {round}: every key is under one master key: {by_old} {by_new}");
            assert!(keys_checked(&moving).0, "round {round}: with both, a server can always start");
            if by_new {
                place.set("JETON_MASTER_KEY", &new);
                changed += 1;
                delay = delay * 3 / 4;
            } else {
                kept += 1;
                delay = delay * 5 / 4 + Duration::from_millis(1);
            }
        }
    }
);

on_both_stores!(wrong_master_keys_are_named_and_change_nothing, async |backend| {
    let place = Place::new(backend).await;
    assert_eq!(place.serve(&[]).stop().code(), Some(0));
    let right = place.environment["JETON_MASTER_KEY"].clone();
    let wrong = || MasterKey::generate().to_string();
    let keys = place.json(&["key", "list"]);
    // Neither is the right one.
    let mut neither = place.with("JETON_MASTER_KEY", &wrong());
    neither.set("JETON_MASTER_KEY_OLD", &wrong());
    neither.run(&["serve"]).refused_at_start(&["neither JETON_MASTER_KEY nor JETON_MASTER_KEY_OLD", "key reset"]);
    neither.run(&["key", "rewrap"]).refused(&["neither JETON_MASTER_KEY nor JETON_MASTER_KEY_OLD"]);
    neither.run(&["key", "rotate"]).refused(&["neither"]);
    assert!(!keys_checked(&neither).0);
    // Not a key at all; the text is not shown.
    let mut broken = place.with("JETON_MASTER_KEY_OLD", "not-a-key");
    let ran = broken.run(&["serve"]);
    assert!(!ran.err.contains("not-a-key"), "{ran:?}");
    ran.misconfigured(&["JETON_MASTER_KEY_OLD: is not 32 random bytes"]);
    // From a file; both forms at once are a problem.
    std::fs::write(broken.path("old"), format!("{}\n", wrong())).unwrap();
    let file = broken.path("old").display().to_string();
    broken.set("JETON_MASTER_KEY_OLD_FILE", &file);
    broken.run(&["key", "rotate"]).misconfigured(&["are both set"]);
    broken.environment.remove("JETON_MASTER_KEY_OLD");
    assert_eq!(
        keys_checked(&broken),
        (true, "all keys are under JETON_MASTER_KEY: JETON_MASTER_KEY_OLD can be removed".into())
    );
    let shown = broken.run(&["config"]).ok();
    assert!(shown.contains("file named by JETON_MASTER_KEY_OLD_FILE") && !shown.contains(&right), "{shown}");
    // Swapped by mistake: nothing is lost, and the keys stay as they are.
    let mut swapped = place.with("JETON_MASTER_KEY", &right);
    swapped.set("JETON_MASTER_KEY_OLD", &wrong());
    swapped.run(&["key", "rewrap"]).ok();
    assert_eq!(place.json(&["key", "list"]), keys);
    assert_eq!(place.serve(&[]).stop().code(), Some(0));
});
