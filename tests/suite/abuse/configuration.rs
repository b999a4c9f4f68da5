//! What the surroundings of a server decide: the proxy in front of it, and the files of its folder.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::chown;

use crate::support::on_both_stores;
use crate::support::program::Place;

on_both_stores!(a_proxy_that_is_not_trusted_is_named_by_the_log_and_by_doctor, async |backend| {
    let place = Place::new(backend).await;
    let server = place.serve(&[]);
    let asking = place.with("JETON_OPS_LISTEN", server.ops.strip_prefix("http://").unwrap());
    assert!(asking.run(&["doctor"]).ok().contains("no forwarding header was ignored"));
    let http = reqwest::Client::new();
    for number in 0..20 {
        let request = http.get(format!("{}/.well-known/jwks.json", server.base));
        request.header("X-Forwarded-For", format!("192.0.2.{number}")).send().await.unwrap();
    }
    let ran = asking.run(&["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("20 requests had X-Forwarded-For"), "{ran:?}");
    let lines = server.log.lock().unwrap().matches("X-Forwarded-For").count();
    assert_eq!(lines, 1, "one line stands for all: {}", server.log.lock().unwrap());
    // Once the proxy is trusted, nothing is left to say.
    assert_eq!(server.stop().code(), Some(0));
    let server = place.with("JETON_TRUSTED_PROXIES", "127.0.0.0/8").serve(&[]);
    let request = http.get(format!("{}/.well-known/jwks.json", server.base));
    request.header("X-Forwarded-For", "192.0.2.1").send().await.unwrap();
    let asking = place.with("JETON_OPS_LISTEN", server.ops.strip_prefix("http://").unwrap());
    assert!(asking.run(&["doctor"]).ok().contains("no forwarding header was ignored"));
    assert!(!server.log.lock().unwrap().contains("X-Forwarded-For"));
});

#[test]
fn a_configuration_file_of_another_user_is_read_only_if_it_is_named() {
    let place = Place::bare();
    let file = place.path("jeton.toml");
    fs::write(&file, "access_token_ttl = '7m'\n").unwrap();
    assert!(place.run(&["config"]).out.contains("7m"), "its own");
    if let Err(error) = chown(&file, Some(12_345), None) {
        // Only root gives files away. The rule itself has its test in `settings::file`.
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        return;
    }
    let refused = || {
        let ran = place.run(&["config"]);
        let text = "jeton.toml cannot be read: it belongs to another user; if you want it, name it with --config";
        assert!(ran.code == Some(1) && ran.err.contains(text) && !ran.out.contains("7m"), "{ran:?}");
    };
    refused();
    assert!(place.run(&["config", "--config", "jeton.toml"]).out.contains("7m"), "named");
    // A link of another user to a file of this one.
    fs::rename(&file, place.path("mine.toml")).unwrap();
    chown(place.path("mine.toml"), Some(0), None).unwrap();
    std::os::unix::fs::symlink("mine.toml", &file).unwrap();
    std::os::unix::fs::lchown(&file, Some(12_345), None).unwrap();
    refused();
}
