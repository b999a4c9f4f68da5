//! The certificate of the public listener: at start, and when its files are replaced.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::AsyncWriteExt;

use super::{HOST, KEYS, PATIENCE, Pair, encrypted, get, new_pair, read_answer, replace};
use crate::support::program::{Place, Running};
use crate::support::{Backend, eventually};

async fn place(pair: &Pair) -> Place {
    let mut place = Place::new(Backend::Sqlite).await;
    for (name, path) in pair.settings() {
        place.set(name, &path);
    }
    place
}

fn address(server: &Running) -> SocketAddr {
    server.base.strip_prefix("http://").unwrap().parse().unwrap()
}

/// Whether a new connection shows this certificate.
async fn shows(server: &Running, certificate: &str) -> bool {
    let Ok(stream) = encrypted(address(server), certificate, &[]).await else { return false };
    let shown = stream.get_ref().1.peer_certificates().unwrap();
    shown == [CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_used_without_a_restart_and_connections_stay_open() {
    let pair = Pair::new();
    let (first, second, third) =
        (std::fs::read_to_string(pair.certificate()).unwrap(), new_pair(&[HOST]), new_pair(&[HOST]));
    let server = place(&pair).await.serve(&[]);
    assert!(shows(&server, &first).await);
    let mut open = encrypted(address(&server), &first, &[]).await.unwrap();
    let mut goes_on = async || {
        open.write_all(get(KEYS).as_bytes()).await.unwrap();
        assert_eq!(read_answer(&mut open).await.unwrap().status, 200);
    };
    goes_on().await;
    // Without a signal.
    pair.replace(&second);
    eventually(PATIENCE, "the new certificate is shown", async || shows(&server, &second.0).await).await;
    server.says("a new certificate is in use from now on");
    assert!(!shows(&server, &first).await);
    goes_on().await;
    // On SIGHUP, and only once both files are there.
    replace(pair.certificate().as_ref(), &third.0);
    server.signal("HUP");
    server.says("the old certificate stays in use, because the new one cannot be used: JETON_TLS_KEY: the key in");
    assert!(shows(&server, &second.0).await);
    replace(pair.key().as_ref(), &third.1);
    server.signal("HUP");
    eventually(PATIENCE, "the third is shown", async || shows(&server, &third.0).await).await;
    goes_on().await;
    assert!(!server.log.lock().unwrap().contains("PRIVATE KEY"));
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_certificate_is_reported_once_and_the_old_one_stays() {
    let pair = Pair::new();
    let (certificate, key) =
        (std::fs::read_to_string(pair.certificate()).unwrap(), std::fs::read_to_string(pair.key()).unwrap());
    let server = place(&pair).await.serve(&[]);
    let (_, other_key) = new_pair(&[HOST]);
    for (new_certificate, new_key, said) in [
        (&*certificate, &*other_key, "does not belong to the certificate"),
        ("nonsense", &key, "holds no certificate in PEM format"),
        (&certificate, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "JETON_TLS_KEY"),
        (&certificate[..certificate.len() / 2], &key, "JETON_TLS_CERTIFICATE"),
    ] {
        let lines = || server.log.lock().unwrap().lines().filter(|line| line.contains("cannot be used")).count();
        let before = lines();
        replace(pair.certificate().as_ref(), new_certificate);
        replace(pair.key().as_ref(), new_key);
        // Many signals, one report.
        for _ in 0..3 {
            server.signal("HUP");
            assert!(shows(&server, &certificate).await);
        }
        server.says(said);
        replace(pair.certificate().as_ref(), &certificate);
        replace(pair.key().as_ref(), &key);
        assert_eq!(lines(), before + 1, "{said}: {}", server.log.lock().unwrap());
        // Valid again, so the same fault would be reported again.
        server.signal("HUP");
    }
    std::fs::remove_file(pair.key()).unwrap();
    server.signal("HUP");
    server.says("key.pem cannot be read");
    assert!(shows(&server, &certificate).await);
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_replaced_through_a_link_are_followed() {
    let (pair, folder) = (Pair::new(), tempfile::tempdir().unwrap());
    let second = new_pair(&[HOST]);
    let version = |name: &str, (certificate, key): &(String, String)| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("tls.crt"), certificate).unwrap();
        std::fs::write(path.join("tls.key"), key).unwrap();
        path
    };
    let first = (std::fs::read_to_string(pair.certificate()).unwrap(), std::fs::read_to_string(pair.key()).unwrap());
    // As Kubernetes does it: file -> ..data/file, ..data -> a folder of one version.
    let data = folder.path().join("..data");
    symlink(version("one", &first), &data).unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), folder.path().join(name)).unwrap();
    }
    let mut place = place(&pair).await;
    place.set("JETON_TLS_CERTIFICATE", &folder.path().join("tls.crt").display().to_string());
    place.set("JETON_TLS_KEY", &folder.path().join("tls.key").display().to_string());
    let server = place.serve(&[]);
    assert!(shows(&server, &first.0).await);
    symlink(version("two", &second), folder.path().join("..data_tmp")).unwrap();
    std::fs::rename(folder.path().join("..data_tmp"), &data).unwrap();
    server.signal("HUP");
    eventually(PATIENCE, "the new one is shown", async || shows(&server, &second.0).await).await;
    assert!(!server.log.lock().unwrap().contains("cannot be used"));
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_does_not_start_with_unusable_certificate_files() {
    let pair = Pair::new();
    let place = place(&pair).await;
    let (certificate, key) = (pair.certificate(), pair.key());
    let other = Pair::new();
    place
        .with("JETON_TLS_KEY", &other.key())
        .run(&["serve"])
        .refused_at_start(&["JETON_TLS_KEY: the key in", "does not belong"]);
    place
        .with("JETON_TLS_KEY", &certificate)
        .run(&["serve"])
        .refused_at_start(&["JETON_TLS_KEY:", "holds no private key in PEM format"]);
    place
        .with("JETON_TLS_CERTIFICATE", &key)
        .run(&["serve"])
        .refused_at_start(&["JETON_TLS_CERTIFICATE:", "holds no certificate in PEM format"]);
    place
        .with("JETON_TLS_CERTIFICATE", "/nowhere.pem")
        .run(&["serve"])
        .refused_at_start(&["JETON_TLS_CERTIFICATE: /nowhere.pem cannot be read"]);
    let ran = place.with("JETON_TLS_KEY", "").run(&["serve"]);
    assert!(
        ran.code == Some(1) && ran.err.contains("JETON_TLS_KEY: is not set, and JETON_TLS_CERTIFICATE is"),
        "{ran:?}"
    );
    // The key in place of its path is neither used nor repeated.
    let text = std::fs::read_to_string(&key).unwrap();
    let ran = place.with("JETON_TLS_KEY", &text).run(&["serve"]);
    assert!(ran.code == Some(1) && ran.err.contains("JETON_TLS_KEY: is the certificate or key itself"), "{ran:?}");
    let secret = text.lines().nth(1).unwrap();
    let shown = place.with("JETON_TLS_KEY", &text).run(&["config"]);
    assert!(!ran.err.contains(secret) && !shown.out.contains(secret) && !shown.err.contains(secret), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_checks_when_a_certificate_expires_and_which_host_it_names() {
    let pair = Pair::new();
    let place = place(&pair).await;
    let finding = || {
        let ran = place.run(&["doctor", "--output", "json"]);
        let checks: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let checks = checks.get("items").unwrap_or(&checks).as_array().unwrap().clone();
        let check = checks.into_iter().find(|check| check["check"] == "certificate").unwrap();
        (check["ok"].as_bool().unwrap(), check["finding"].as_str().unwrap().to_owned())
    };
    let (ok, text) = finding();
    assert!(ok && text.starts_with("the certificate expires at 4096-"), "{text}");
    pair.replace(&new_pair(&["other.example.com"]));
    assert_eq!(finding(), (false, "the certificate does not name auth.example.com, the host of the issuer".into()));
    let ends = |days: i64| {
        let now = jeton::clock::Clock::system().now();
        let end = now.plus_seconds(days * 24 * 3600).to_string();
        let part = |from, to| end[from..to].parse::<i32>().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let (month, day) = (u8::try_from(part(5, 7)).unwrap(), u8::try_from(part(8, 10)).unwrap());
        params.not_after = rcgen::date_time_ymd(part(0, 4), month, day);
        let key = rcgen::KeyPair::generate().unwrap();
        pair.replace(&(params.self_signed(&key).unwrap().pem(), key.serialize_pem()));
        end[..10].to_owned()
    };
    for (days, ok_expected, words) in [(-3, false, "expired at"), (10, false, "expires at"), (30, true, "expires at")] {
        let day = ends(days);
        let (ok, text) = finding();
        assert!(ok == ok_expected && text.starts_with(&format!("the certificate {words} {day}T00:00:00")), "{text}");
    }
}
