//! The commands that take or create a secret.

use jeton::keys::master::MasterKey;
use uuid::Uuid;

use super::Scene;
use super::play::Cast;

impl Scene {
    pub(super) fn enter(&mut self, round: &str) -> Cast {
        let grants = ["--grant-types", "password,client_credentials,refresh_token", "--scope", "read"];
        let permissions = ["--permissions", "introspect,explain"];
        let app = self.make_client(&format!("app-{round}"), &[&grants[..], &permissions].concat());
        let format = ["--access-token-format", "opaque"];
        let opaque = self.make_client(&format!("opaque-{round}"), &[&grants[..], &format].concat());
        let admin = ["--grant-types", "client_credentials", "--scope", "jeton:admin"];
        let ops = self.make_client(&format!("ops-{round}"), &admin);
        self.cli(None, &["client", "secret", "add", &app.0, "--output", "json"], "");
        let chosen = (format!("chosen-{round}"), self.odd_secret("chosen client secret"));
        let import = ["client", "create", "--client-id", &chosen.0, "--import-secret"];
        let made = self.cli(None, &[&import, &grants[..]].concat(), &format!("{}\n", chosen.1));
        assert!(made.contains(&chosen.0), "{made}");
        let (user, first) = (format!("alice-{round}"), self.odd_secret("old password"));
        self.cli(None, &["user", "create", &user], &format!("{first}\n"));
        let password = self.odd_secret("password");
        self.cli(None, &["user", "password", &user], &format!("{password}\n"));
        self.cli(None, &["user", "password-link", &user, "--output", "json"], "");
        self.cli(None, &["key", "generate-master"], "");
        Cast { app, chosen, opaque, ops, user, password }
    }

    pub(super) fn commands_that_fail(&mut self, cast: &Cast) {
        let another = self.odd_secret("password of nobody");
        self.cli(None, &["user", "create", &cast.user], &format!("{another}\n"));
        self.cli(None, &["user", "password", "nobody"], &format!("{another}\n"));
        let again = ["client", "create", "--client-id", &cast.app.0, "--import-secret"];
        self.cli(None, &again, &format!("{another}\n"));
        let key = MasterKey::generate().to_string();
        self.use_secret("another master key", &key);
        let text = self.odd_secret("broken master key");
        let hidden = Uuid::new_v4().simple().to_string();
        self.use_secret("password of another database", &hidden);
        let environments = [
            ("JETON_MASTER_KEY", key.clone()),
            ("JETON_MASTER_KEY", text.clone()),
            ("JETON_MASTER_KEY_OLD", key),
            ("JETON_MASTER_KEY_OLD", text),
            ("JETON_DATABASE_URL", format!("postgres://jeton:{hidden}@127.0.0.1:1/jeton")),
            ("JETON_DATABASE_URL", format!("postgres://jeton:{hidden}@127.0.0.1:one/jeton?sslmode=perhaps")),
            ("JETON_DATABASE_URL", format!("mysql://jeton:{hidden}@127.0.0.1/jeton")),
        ];
        for (name, value) in environments {
            let bench = self.bench.with(name, &value);
            self.cli(Some(&bench), &["config"], "");
            self.cli(Some(&bench), &["doctor", "--output", "json"], "");
            self.cli(Some(&bench), &["key", "rotate"], "");
            self.cli(Some(&bench), &["user", "list", "--output", "json"], "");
            if name != "JETON_DATABASE_URL" {
                self.cli(Some(&bench), &["key", "rewrap"], &format!("{value}x\n"));
            }
        }
        let folder = self.bench.path("jeton.toml");
        let toml = format!("database_url = 'postgres://jeton:{hidden}@127.0.0.1/x'\nmaster_key = {hidden}\n");
        std::fs::write(&folder, toml).unwrap();
        self.cli(None, &["config"], "");
        std::fs::write(&folder, format!("master_key = '{hidden}'\nmaster_kee = '{hidden}'\n")).unwrap();
        self.cli(None, &["config", "--output", "json"], "");
        self.cli(None, &["doctor"], "");
        std::fs::remove_file(folder).unwrap();
    }

    pub(super) fn commands_beside_the_server(&mut self, access: &str, refresh: &str) {
        let curl = format!("curl https://api.example.com -H 'Authorization: Bearer {access}' -u 'x:{refresh}'");
        for json in [&[][..], &["--output", "json"]] {
            let mut run = |arguments: &[&str], input: &str| self.cli(None, &[arguments, json].concat(), input);
            run(&["token", "explain", "-"], access);
            run(&["token", "explain", "-", "--refresh-token"], refresh);
            run(&["token", "explain", "-", "--curl"], &curl);
            run(&["token", "explain", "-"], &format!("{access}{refresh}"));
            run(&["revoke", "--token", "-"], access);
            run(&["revoke", "--token", "-"], refresh);
            run(&["revoke", "--token", "-"], &refresh[..30]);
            for list in [["client", "list"], ["user", "list"], ["key", "list"]] {
                run(&list, "");
            }
            run(&["config"], "");
            run(&["doctor"], "");
            run(&["health"], "");
        }
        self.cli(None, &["key", "rotate"], "");
    }

    /// The running server keeps the old one, and says so in its log.
    pub(super) fn change_of_the_master_key(&mut self) {
        let new = MasterKey::generate().to_string();
        self.use_secret("new master key", &new);
        self.cli(None, &["key", "rewrap"], &format!("{new}\n"));
        self.bench.set("JETON_MASTER_KEY", &new);
        let next = MasterKey::generate().to_string();
        self.use_secret("next master key", &next);
        let mut moving = self.bench.with("JETON_MASTER_KEY", &next);
        moving.set("JETON_MASTER_KEY_OLD", &new);
        for arguments in
            [&["config"][..], &["doctor"], &["key", "rewrap"], &["config", "--output", "json"], &["doctor"]]
        {
            self.cli(Some(&moving), arguments, "");
        }
        self.bench.set("JETON_MASTER_KEY", &next);
        self.cli(None, &["key", "list"], "");
    }
}
