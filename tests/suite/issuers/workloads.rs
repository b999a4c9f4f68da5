//! The recipes of `docs/workloads.md`: their commands are run, and tokens of the form that each platform gives are accepted.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use serde_json::{Value, json};

use super::{Idp, ask, exchange, key_set, new_key};
use crate::conformance::jose::{changed, sign};
use crate::support::program::program;
use crate::support::{TestClient, TestServer, eventually, jwt_part, on_both_stores};

const GUIDE: &str = include_str!("../../../docs/workloads.md");
const AUDIENCE: &str = "https://auth.example.com";

/// Keys of platforms; an RSA key takes long to make.
static RSA: LazyLock<Arc<SigningKey>> = LazyLock::new(|| new_key(SigningAlgorithm::Rs256));
static EC: LazyLock<Arc<SigningKey>> = LazyLock::new(|| new_key(SigningAlgorithm::Es256));

/// A platform: its name as an issuer, the client of its recipe, its key, and a token without times.
struct Platform {
    issuer: &'static str,
    client: &'static str,
    key: &'static LazyLock<Arc<SigningKey>>,
    header: Value,
    claims: Value,
    /// Seconds that its tokens live.
    life: i64,
    /// Changes, each of which makes it somebody else's.
    others: Vec<Value>,
}

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";
const DOMAIN: &str = "spiffe://prod.example.org";
const AWS: &str = "https://a1b2c3d4-5678-90ab-cdef-1234567890ab.tokens.sts.global.api.aws";
const AZURE: &str = "https://login.microsoftonline.com/72f988bf-0000-41af-91ab-2d7cd011db47/v2.0";

fn github(sub: &str) -> Platform {
    Platform {
        issuer: GITHUB,
        client: "deployer",
        key: &RSA,
        header: json!({"alg": "RS256", "typ": "JWT", "kid": "38826b17", "x5t": "ykNaY4qM_ta4k2TgZOCEYLkcYlA"}),
        claims: json!({
            "jti": "example-id", "sub": sub, "aud": AUDIENCE, "ref": "refs/heads/main", "sha": "example-sha",
            "repository": "octo-org/app", "repository_owner": "octo-org", "actor_id": "12", "repository_visibility": "private",
            "repository_id": "456789", "repository_owner_id": "123456", "run_id": "example-run-id", "run_number": "10",
            "run_attempt": "2", "runner_environment": "github-hosted", "actor": "octocat", "workflow": "example-workflow",
            "head_ref": "", "base_ref": "", "event_name": "push", "ref_type": "branch",
            "job_workflow_ref": "octo-org/app/.github/workflows/oidc.yml@refs/heads/main", "iss": GITHUB,
        }),
        life: 300,
        others: vec![
            json!({"repository_id": "456780"}),
            json!({"repository_owner_id": "1"}),
            json!({"sub": "repo:octo-org/app:pull_request"}),
            json!({"sub": "repo:octo-org/app:ref:refs/heads/main2"}),
            json!({"aud": "https://github.com/octo-org"}),
        ],
    }
}

fn platforms() -> Vec<Platform> {
    vec![
        github("repo:octo-org/app:ref:refs/heads/main"),
        github("repo:octo-org@123456/app@456789:ref:refs/heads/main"),
        Platform {
            issuer: CLUSTER,
            client: "shop-worker",
            key: &RSA,
            header: json!({"alg": "RS256", "kid": "cluster"}),
            claims: json!({
                "aud": [AUDIENCE], "iss": CLUSTER, "jti": "d0f5a8e3-0f3c-4a6a-9a43-1f9c8bd3f8b2",
                "kubernetes.io": {
                    "namespace": "shop",
                    "node": {"name": "node-1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
                    "pod": {"name": "worker-6f7d9", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
                    "serviceaccount": {"name": "worker", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
                },
                "sub": "system:serviceaccount:shop:worker",
            }),
            life: 3600,
            others: vec![
                json!({"sub": "system:serviceaccount:shop:worker2"}),
                json!({"sub": "system:serviceaccount:other:worker"}),
                json!({"aud": [AUDIENCE, "https://kubernetes.default.svc.cluster.local"]}),
                json!({"aud": ["https://kubernetes.default.svc.cluster.local"]}),
            ],
        },
        Platform {
            issuer: DOMAIN,
            client: "billing",
            key: &EC,
            header: json!({"alg": "ES256", "kid": "svid", "typ": "JWT"}),
            claims: json!({"aud": [AUDIENCE], "sub": "spiffe://prod.example.org/ns/billing/sa/worker"}),
            life: 300,
            others: vec![
                json!({"sub": "spiffe://prod.example.org/ns/billing-evil/sa/worker"}),
                json!({"sub": "spiffe://prod.example.org.evil/ns/billing/sa/worker"}),
                json!({"sub": "spiffe://prod.example.org/ns/billing/"}),
                json!({"iss": "https://spire.example.org"}),
            ],
        },
        Platform {
            issuer: "https://accounts.google.com",
            client: "reports",
            key: &RSA,
            header: json!({"alg": "RS256", "kid": "google", "typ": "JWT"}),
            claims: json!({
                "aud": AUDIENCE, "azp": "112010400000000710080", "email": "reports@octo.iam.gserviceaccount.com",
                "email_verified": true, "google": {"compute_engine": {
                    "instance_id": "152986662232938449", "instance_name": "example", "project_id": "octo",
                    "project_number": 739_419_398_126_i64, "zone": "us-west1-a",
                }},
                "iss": "https://accounts.google.com", "sub": "112010400000000710080",
            }),
            life: 3600,
            others: vec![
                json!({"sub": "112010400000000710081"}),
                json!({"email": "other@octo.iam.gserviceaccount.com"}),
                json!({"email_verified": false}),
                json!({"iss": "accounts.google.com"}),
            ],
        },
        Platform {
            issuer: AWS,
            client: "ingest",
            key: &RSA,
            header: json!({"alg": "RS256", "kid": "aws", "typ": "JWT"}),
            claims: json!({
                "aud": AUDIENCE, "sub": "arn:aws:iam::123456789012:role/Ingest", "iss": AWS,
                "jti": "0b7b8d5e-2f0b-4f6e-8a59-3a4c6e1d9f12",
                "https://sts.amazonaws.com/": {
                    "aws_account": "123456789012", "source_region": "eu-west-1", "org_id": "o-abc1234567",
                    "principal_id": "arn:aws:iam::123456789012:role/Ingest",
                    "lambda_source_function_arn": "arn:aws:lambda:eu-west-1:123456789012:function:ingest",
                },
            }),
            life: 300,
            others: vec![
                json!({"sub": "arn:aws:iam::123456789012:role/Other"}),
                json!({"https://sts.amazonaws.com/": {"aws_account": "210987654321"}}),
                json!({"https://sts.amazonaws.com/": null}),
            ],
        },
        Platform {
            issuer: AZURE,
            client: "mailer",
            key: &RSA,
            header: json!({"alg": "RS256", "kid": "azure", "typ": "JWT", "x5t": "azure"}),
            claims: json!({
                "aud": "6e74172b-0000-4843-9ff4-e66a39bb12e3", "iss": AZURE, "aio": "k2RgYPj0", "azpacr": "2", "idtyp": "app",
                "azp": "6c1d5b0a-0000-4d3e-8f57-6a5d9f1c2b3a", "oid": "90f6ea3f-0000-4c8e-8c02-3ed2f9a7c5b1",
                "rh": "0.AX0", "sub": "90f6ea3f-0000-4c8e-8c02-3ed2f9a7c5b1",
                "tid": "72f988bf-0000-41af-91ab-2d7cd011db47", "uti": "u1", "ver": "2.0",
            }),
            life: 86_400,
            others: vec![
                json!({"oid": "90f6ea3f-0000-4c8e-8c02-000000000000"}),
                json!({"tid": "00000000-0000-41af-91ab-2d7cd011db47"}),
                json!({"aud": "https://management.azure.com/"}),
            ],
        },
    ]
}

impl Platform {
    fn token(&self, now: i64, changes: Value) -> String {
        let times = json!({"iat": now - 1, "nbf": now - 1, "exp": now - 1 + self.life});
        sign(self.key, &self.header, &changed(&changed(&self.claims, times), changes))
    }
}

/// The shell blocks of the guide.
fn blocks() -> Vec<&'static str> {
    GUIDE.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// A program that prints a text, whatever its arguments.
fn write_program(folder: &Path, name: &str, prints: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\ncat <<'END'\n{prints}\nEND\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs the commands of the guide on the database of a server. The keys of the platforms that would be fetched are those of the test.
fn run(app: &TestServer, script: &str) {
    let folder = tempfile::tempdir().unwrap();
    write_program(folder.path(), "kubectl", &key_set(&[(&RSA, "cluster")]).to_string());
    let mut bundle = key_set(&[(&EC, "svid")]);
    for member in ["alg", "use"] {
        bundle["keys"][0].as_object_mut().unwrap().shift_remove(member);
    }
    bundle["keys"][0]["use"] = json!("jwt-svid");
    bundle["spiffe_sequence"] = json!(12);
    bundle["spiffe_refresh_hint"] = json!(300);
    write_program(folder.path(), "spire-server", &bundle.to_string());
    let kids = ["38826b17", "google", "aws", "azure", "idp"].map(|kid| (&**RSA, kid));
    std::fs::write(folder.path().join("keys.json"), key_set(&kids).to_string()).unwrap();
    let updates = [GITHUB, "https://accounts.google.com", AWS, AZURE, "https://idp.example.com"]
        .map(|issuer| format!("jeton issuer update {issuer} --jwks keys.json\n"));
    let bin = program();
    let path = format!("{}:{}", bin.parent().unwrap().display(), folder.path().display());
    let script = format!("set -e\nexport PATH={path}:$PATH\n{script}\n{}", updates.concat());
    let settings = [("JETON_DATABASE_URL", app.database.as_str()), ("JETON_ISSUER", AUDIENCE)];
    let output = Command::new("sh").args(["-c", &script]).envs(settings).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

on_both_stores!(the_recipes_of_the_guide_accept_tokens_of_each_platform_and_no_others, async |backend| {
    let app = TestServer::start(backend).await;
    let blocks = blocks();
    assert_eq!((blocks.len(), blocks.concat().matches("jeton ").count()), (7, 14));
    run(&app, &blocks.concat());
    // A busy machine may let the server wait for what the commands have written.
    eventually(Duration::from_secs(30), "the server answers again", async || {
        app.admin(reqwest::Method::GET, "/admin/v1/issuers", None).await.status == 200
    })
    .await;
    let now = app.clock.now().seconds();
    for platform in platforms() {
        let (issuer, client) = (platform.issuer, platform.client);
        let answer = ask(&app, client, &platform.token(now, json!({}))).await;
        assert_eq!(answer.status.as_u16(), 200, "{issuer}: {answer:?}");
        assert_eq!(jwt_part(&answer.text("access_token"), 1)["sub"], client);
        let report = json!({"token": platform.token(now, json!({}))});
        let report = app.admin(reqwest::Method::POST, "/admin/v1/issuers/test", Some(report)).await.json;
        assert_eq!((&report["accepted"], &report["client_id"]), (&json!(true), &json!(client)), "{report}");
        for other in &platform.others {
            let answer = ask(&app, client, &platform.token(now, other.clone())).await;
            assert_eq!(answer.status.as_u16(), 401, "{issuer}: {other}: {answer:?}");
        }
        // The tokens of one platform are worth nothing to the clients of another.
        for stranger in platforms().iter().filter(|other| other.issuer != issuer) {
            let answer = ask(&app, stranger.client, &platform.token(now, json!({}))).await;
            assert_eq!(answer.status.as_u16(), 401, "{issuer}: {}", stranger.client);
        }
    }
});

on_both_stores!(the_recipe_for_users_of_others_gives_tokens_of_them, async |backend| {
    let app = TestServer::start(backend).await;
    run(&app, &blocks().concat());
    let secret = app.admin(reqwest::Method::POST, "/admin/v1/clients/portal/secrets", None).await;
    let client = TestClient { id: "portal".into(), secret: Some(secret.text("client_secret")), in_body: false };
    let idp = Idp { name: "https://idp.example.com".into(), key: RSA.clone() };
    let header = json!({"kid": "idp"});
    let token = |claims: Value| idp.token(&app, "00u1", header.clone(), claims);
    let answer = exchange(&app, &client, &token(json!({"hd": "corp.example.com"}))).await;
    assert_eq!(jwt_part(&answer.assert_ok().text("access_token"), 1)["sub_iss"], "https://idp.example.com");
    exchange(&app, &client, &token(json!({}))).await.assert_error(400, "invalid_grant");
    exchange(&app, &client, &token(json!({"hd": "else.example.com"}))).await.assert_error(400, "invalid_grant");
    let assertion = idp.token(
        &app,
        "00u1",
        json!({"kid": "idp", "typ": "oauth-id-jag+jwt"}),
        json!({"hd": "corp.example.com", "client_id": "portal", "scope": "read"}),
    );
    assert_eq!(exchange(&app, &client, &assertion).await.assert_ok().json["scope"], "read");
});
