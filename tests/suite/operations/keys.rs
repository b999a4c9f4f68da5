//! Keys, secrets, users and versions are changed as the guide says.

use std::fs;

use jeton::keys::master::MasterKey;
use reqwest::StatusCode;

use super::blocks;
use super::machine::Machine;
use crate::readme::session;
use crate::support::Backend;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changing_the_master_key_as_the_guide_says_invalidates_nothing() {
    let machine = Machine::new(Backend::Sqlite);
    let tokens = machine.login("alice", "wonderland").await;
    let old = fs::read_to_string(machine.folder.path().join("master-key")).unwrap();
    machine.follow("Changing the master key", 0);
    // A new shell: what was exported for the server is set for the next block too.
    let section = blocks("Changing the master key")[1];
    let commands = session(section);
    let mut script = "set -e\nexport JETON_MASTER_KEY_OLD_FILE=master-key.old\n".to_owned();
    commands.iter().for_each(|(command, _)| script.push_str(&format!("{command}\n")));
    let expected: String = commands.iter().map(|(_, output)| output.as_str()).collect();
    assert_eq!(machine.shell(&script), expected);
    let new = fs::read_to_string(machine.folder.path().join("master-key")).unwrap();
    assert!(MasterKey::parse(&new).is_ok() && new != old);
    assert!(machine.is_active(&tokens.text("access_token")).await);
    machine.refresh(&tokens).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_loss_of_the_master_key_issued_tokens_end_and_clients_and_users_stay() {
    let machine = Machine::new(Backend::Sqlite);
    let tokens = machine.login("alice", "wonderland").await;
    machine.follow("Losing the master key", 0);
    assert!(!machine.is_active(&tokens.text("access_token")).await);
    assert_eq!(machine.refresh(&tokens).await.status, StatusCode::BAD_REQUEST);
    machine.login("alice", "wonderland").await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_without_interruption_and_deleted_after_a_leak() {
    let machine = Machine::new(Backend::Sqlite);
    let tokens = machine.login("alice", "wonderland").await;
    machine.follow("Compromised keys", 0);
    // The server follows the change log, where the keys of the two were deleted one after the other.
    for token in ["access_token", "refresh_token"] {
        crate::support::eventually(std::time::Duration::from_secs(10), &format!("the {token} is over"), async || {
            !machine.is_active(&tokens.text(token)).await
        })
        .await;
    }
    assert_eq!(machine.refresh(&tokens).await.status, StatusCode::BAD_REQUEST);
    let again = machine.login("alice", "wonderland").await;
    assert!(machine.is_active(&again.assert_ok().text("access_token")).await);

    let machine = Machine::new(Backend::Sqlite);
    let tokens = machine.login("alice", "wonderland").await;
    machine.follow("Rotating the keys", 0);
    machine.follow("Changing the algorithm", 0);
    assert!(machine.is_active(&tokens.text("access_token")).await);
    machine.refresh(&tokens).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaked_credentials_are_revoked_and_a_user_is_removed() {
    let machine = Machine::new(Backend::Sqlite);
    let old_secret = machine.secret("shop.json");
    let token = machine.login("alice", "wonderland").await.text("access_token");
    machine.follow("Leaks", 0);
    let grant = [("grant_type", "client_credentials")];
    let limit = std::time::Duration::from_secs(10);
    crate::support::eventually(limit, "the old secret is refused", async || {
        machine.post("/auth/token", &old_secret, &grant).await.status == StatusCode::UNAUTHORIZED
    })
    .await;
    fs::copy(machine.folder.path().join("new-secret.json"), machine.folder.path().join("shop.json")).unwrap();
    // The command line writes; the server follows the change log.
    crate::support::eventually(limit, "what was issued to the client ends", async || !machine.is_active(&token).await)
        .await;

    let token = machine.login("alice", "wonderland").await.text("access_token");
    let leaked = machine.post("/auth/token", &machine.secret("shop.json"), &grant).await.text("access_token");
    fs::write(machine.folder.path().join("new-password"), "mad hatter\n").unwrap();
    fs::write(machine.folder.path().join("leaked-token"), format!("{leaked}\n")).unwrap();
    machine.follow("Leaks", 1);
    for token in [&token, &leaked] {
        crate::support::eventually(limit, "it is over", async || !machine.is_active(token).await).await;
    }
    assert_eq!(machine.login("alice", "wonderland").await.status, StatusCode::BAD_REQUEST);
    machine.login("alice", "mad hatter").await.assert_ok();

    machine.follow("Deleting a user's data", 0);
    assert_eq!(machine.login("alice", "mad hatter").await.status, StatusCode::BAD_REQUEST);
    machine.shell("systemctl stop jeton && sqlite3 jeton.db \"VACUUM INTO 'after.db'\"");
    let rows = fs::read(machine.folder.path().join("after.db")).unwrap();
    assert!(!rows.windows(5).any(|window| window == b"alice"), "the name is nowhere in the database");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_cannot_log_in_are_helped() {
    let machine = Machine::new(Backend::Sqlite);
    machine.follow("Users who cannot log in", 0);
    machine.shell(
        "sqlite3 jeton.db \"INSERT INTO second_factors (user_id, secret, last_step, created_at) \
         SELECT id, x'00', 1, 1 FROM users\"",
    );
    assert_eq!(machine.login("alice", "wonderland").await.status, StatusCode::BAD_REQUEST);
    machine.follow("Users who cannot log in", 1);
    machine.login("alice", "wonderland").await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_addresses_of_an_attack_are_found_in_the_log() {
    let machine = Machine::new(Backend::Sqlite);
    machine.login("alice", "wonderland").await.assert_ok();
    for guess in ["white rabbit", "dormouse", "cheshire cat"] {
        assert_eq!(machine.login("alice", guess).await.status, StatusCode::BAD_REQUEST);
    }
    machine.follow("An attack in progress", 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_migrate_off_starts_on_an_old_schema_after_the_upgrade_of_the_guide() {
    let mut machine = Machine::new(Backend::Sqlite);
    machine.set("JETON_MIGRATE", "off");
    machine.shell(
        "systemctl stop jeton && rm jeton.db && sqlite3 jeton.db 'VACUUM'
         ! systemctl start jeton 2>refusal && grep -q 'the database lacks schema migrations: run `jeton migrate`' refusal",
    );
    machine.follow("Upgrade", 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_of_a_node_is_compared_with_that_of_its_database() {
    Machine::new(Backend::Postgres).follow("Clock", 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_started_with_a_nice_value_hashes_without_warnings() {
    // On Postgres its user is not root, who may take any priority.
    let machine = Machine::new(Backend::Postgres);
    machine.shell("echo croquet | nice -n 5 jeton user create carol >/dev/null");
    machine.login("carol", "croquet").await.assert_ok();
}
