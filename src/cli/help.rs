//! The help pages: what is required is marked, each page has an example, and only the first lists the options that
//! every command understands.

use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;

/// Examples for each page, by the path of its command; after `#`, what the next is for.
const EXAMPLES: [(&str, &str); 75] = [
    ("", "jeton serve --dev"),
    ("serve", "jeton serve --issuer https://auth.example.com --listen 0.0.0.0:8080"),
    ("init", "jeton init --audience https://api.example.com \\\n  --scope 'read write' --username anna"),
    ("migrate", "jeton migrate"),
    (
        "apply",
        "# what would change\n\
         jeton apply clients.yaml resources.yaml --set main --dry-run\n\
         # on the database; secrets of new clients go into a folder\n\
         jeton apply clients.yaml resources.yaml --set main --prune --secrets ./secrets\n\
         # through a running server\n\
         jeton apply main.yaml --set main --server https://auth.example.com --token-file token",
    ),
    ("export", "jeton export >main.yaml"),
    ("schema", "jeton schema >jeton.schema.json"),
    ("client", "jeton client list"),
    (
        "client create",
        "# a service that gets tokens for itself\n\
         jeton client create service --grant-types client_credentials \\\n  \
           --scope 'read write' --audiences https://api.example.com\n\
         # a program in which users log in\n\
         jeton client create login --token-endpoint-auth-method none \\\n  \
           --grant-types password,refresh_token --scope 'read write' \\\n  \
           --audiences https://api.example.com\n\
         # an API that asks whether tokens are good\n\
         jeton client create api --permissions introspect,explain \\\n  \
           --introspect-audiences https://api.example.com\n\
         # a service that proves who it is by a key of its own\n\
         jeton client create worker --token-endpoint-auth-method private_key_jwt \\\n  \
           --jwks worker.jwks.json --grant-types client_credentials --scope read\n\
         # a service that proves who it is by a certificate\n\
         jeton client create billing --token-endpoint-auth-method tls_client_auth \\\n  \
           --tls-client-auth-subject-dn 'CN=billing,O=Example' \\\n  \
           --grant-types client_credentials --scope read",
    ),
    ("client list", "jeton client list --limit 20"),
    ("client show", "jeton client show worker"),
    ("client update", "jeton client update worker --access-token-ttl 5m"),
    ("client disable", "jeton client disable worker"),
    ("client enable", "jeton client enable worker"),
    ("client delete", "jeton client delete worker"),
    ("client block", "jeton client block app.example.com --reason 'asks for too much'"),
    ("client unblock", "jeton client unblock app.example.com"),
    ("client blocks", "jeton client blocks"),
    ("client secret", "jeton client secret add worker"),
    ("client secret add", "jeton client secret add worker"),
    (
        "client secret retire",
        "jeton client secret retire worker \\\n  --secret-id 01a201d7-d537-7399-b77e-7f29b0ccdd18",
    ),
    ("user", "jeton user list"),
    ("user create", "jeton user create anna --scope read"),
    ("user list", "jeton user list --username anna"),
    ("user show", "jeton user show anna"),
    ("user update", "jeton user update anna --claims '{\"tenant\":\"blue\"}'"),
    ("user disable", "jeton user disable anna"),
    ("user enable", "jeton user enable anna"),
    ("user delete", "jeton user delete anna"),
    ("user password", "jeton user password anna"),
    ("user password-link", "jeton user password-link anna --ttl 1h"),
    ("user second-factor", "jeton user second-factor remove anna"),
    ("user second-factor remove", "jeton user second-factor remove anna"),
    ("resource", "jeton resource list"),
    (
        "resource create",
        "jeton resource create https://api.example.com --name 'Example API' \\\n  \
           --scopes 'read=Read your files' --open-to registered",
    ),
    ("resource list", "jeton resource list"),
    ("resource show", "jeton resource show https://api.example.com"),
    ("resource update", "jeton resource update https://api.example.com --access-token-ttl 5m"),
    ("resource delete", "jeton resource delete https://api.example.com"),
    ("issuer", "jeton issuer list"),
    (
        "issuer create",
        "jeton issuer create https://token.actions.githubusercontent.com \\\n  \
           --audience https://auth.example.com --uses client_assertion \\\n  \
           --rules rules.json",
    ),
    ("issuer list", "jeton issuer list"),
    ("issuer show", "jeton issuer show https://token.actions.githubusercontent.com"),
    ("issuer update", "jeton issuer update https://token.actions.githubusercontent.com --max-age 5m"),
    ("issuer delete", "jeton issuer delete https://token.actions.githubusercontent.com"),
    ("issuer test", "jeton issuer test eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"),
    ("revoke", "jeton revoke --user anna --reason 'lost phone'"),
    ("token", "jeton token explain"),
    ("token explain", "jeton token explain --scope read --audience https://api.example.com"),
    (
        "token preview",
        "jeton token preview --client-id reports --grant-type client_credentials \\\n  --resource https://api.example.com",
    ),
    ("key", "jeton key list"),
    ("key list", "jeton key list"),
    ("key rotate", "jeton key rotate --alg EdDSA"),
    ("key retire", "jeton key retire 0SgE7IH8"),
    ("key export", "jeton key export >jeton.pem"),
    ("key generate-master", "jeton key generate-master"),
    ("key rewrap", "jeton key rewrap --new-master-key-file new.key"),
    ("key reset", "jeton key reset --yes"),
    ("webhook", "jeton webhook list"),
    (
        "webhook create",
        "jeton webhook create https://siem.example.com/jeton \\\n  --types 'client.*,key.*,session.reuse'",
    ),
    ("webhook list", "jeton webhook list"),
    ("webhook show", "jeton webhook show 01a201d7-d537-7399-b77e-7f29b0ccdd18"),
    ("webhook update", "jeton webhook update 01a201d7-d537-7399-b77e-7f29b0ccdd18 \\\n  --types 'login,logout'"),
    ("webhook disable", "jeton webhook disable 01a201d7-d537-7399-b77e-7f29b0ccdd18"),
    ("webhook enable", "jeton webhook enable 01a201d7-d537-7399-b77e-7f29b0ccdd18"),
    ("webhook delete", "jeton webhook delete 01a201d7-d537-7399-b77e-7f29b0ccdd18"),
    ("webhook secret", "jeton webhook secret add 01a201d7-d537-7399-b77e-7f29b0ccdd18"),
    ("webhook secret add", "jeton webhook secret add 01a201d7-d537-7399-b77e-7f29b0ccdd18"),
    (
        "webhook secret retire",
        "jeton webhook secret retire 01a201d7-d537-7399-b77e-7f29b0ccdd18 \\\n  \
           --secret-id 01a201d7-d537-7399-b77e-7f29b0ccdd19",
    ),
    ("demo", "jeton demo remove"),
    ("demo remove", "jeton demo remove"),
    ("completions", "jeton completions bash >/etc/bash_completion.d/jeton"),
    ("config", "jeton config"),
    ("doctor", "jeton doctor"),
    ("health", "jeton health"),
];

/// What is required of an argument, by the path of its command, where the parser alone does not know.
const REQUIRED: [(&str, &str, &str); 6] = [
    ("serve", "issuer", "required without --dev"),
    ("init", "audience", "required; asked for at a terminal"),
    ("init", "scope", "required; asked for at a terminal"),
    ("client create", "grant_types", "required to get tokens"),
    ("client create", "scope", "required to get tokens"),
    ("client create", "permissions", "required to judge tokens"),
];

/// The command line with the pages as people see them.
pub(super) fn command() -> Command {
    let mut command = Cli::command();
    // From here on every subcommand has the options of every command, and they can be hidden there.
    command.build();
    page(command, "")
}

fn page(command: Command, path: &str) -> Command {
    let is_first = path.is_empty();
    let command = command.mut_args(|arg| mark(arg, path)).mut_subcommands(|subcommand| {
        let path = format!("{path} {}", subcommand.get_name());
        page(subcommand, path.trim_start())
    });
    let examples = EXAMPLES.iter().find(|(of, _)| *of == path).map(|(_, examples)| {
        let title = if examples.starts_with('#') { "Examples" } else { "Example" };
        format!("{title}:\n  {}", examples.replace('\n', "\n  "))
    });
    let more = "Further options: --config, --database-url, --dev, --output (see `jeton --help`)";
    let after: Vec<_> = examples.into_iter().chain((!is_first).then(|| more.to_owned())).collect();
    command.after_help(after.join("\n\n"))
}

/// Says what is required, and hides what the first page says.
fn mark(arg: Arg, path: &str) -> Arg {
    let said = REQUIRED.iter().find(|(of, id, _)| *of == path && arg.get_id() == id).map(|(_, _, what)| *what);
    let required = said.or_else(|| arg.is_required_set().then_some("required"));
    let arg = match (arg.get_help(), required) {
        (Some(help), Some(required)) => {
            let help = format!("{help} [{required}]");
            arg.help(help)
        }
        _ => arg,
    };
    let is_hidden = arg.is_hide_set() || (arg.is_global_set() && !path.is_empty());
    arg.hide(is_hidden)
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    /// The words of a command line with single quotes.
    fn words(line: &str) -> Vec<&str> {
        let parts = line.split('\'').enumerate();
        let words = parts.map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        });
        words.flatten().collect()
    }

    /// Every page by its path, but for `help` itself.
    fn pages(command: &Command, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
            pages(subcommand, format!("{path} {}", subcommand.get_name()).trim_start(), found);
        }
    }

    #[test]
    fn every_page_has_an_example_that_the_parser_accepts() {
        let mut found = vec![];
        pages(&command(), "", &mut found);
        let missing: Vec<_> = found.iter().filter(|path| !EXAMPLES.iter().any(|(of, _)| of == path)).collect();
        assert!(missing.is_empty(), "no example: {missing:?}");
        for (path, examples) in EXAMPLES {
            assert!(found.iter().any(|found| found == path), "there is no command {path:?}");
            let whole = examples.replace("\\\n", "");
            for example in whole.lines().filter(|line| !line.starts_with('#')) {
                let typed = example.split(" >").next().unwrap();
                let matches = command().try_get_matches_from(words(typed));
                let matches = matches.unwrap_or_else(|error| panic!("{example}: {error}"));
                let (mut matches, mut used) = (&matches, vec![]);
                while let Some((name, inner)) = matches.subcommand() {
                    used.push(name);
                    matches = inner;
                }
                assert!(used.join(" ").starts_with(path), "{example:?} stands on the page of {path:?}");
            }
        }
    }

    #[test]
    fn what_is_required_is_marked() {
        for (path, id, what) in REQUIRED {
            let page =
                path.split_whitespace().fold(command(), |page, name| page.find_subcommand(name).unwrap().clone());
            let arg = page.get_arguments().find(|arg| arg.get_id() == id).unwrap();
            assert!(arg.get_help().unwrap().to_string().ends_with(&format!("[{what}]")), "{path} {id}");
        }
        let page = command().find_subcommand("completions").unwrap().clone().render_help().to_string();
        assert!(page.contains("The shell [required]"), "{page}");
    }

    #[test]
    fn the_options_of_every_command_stand_on_the_first_page_only_and_work_everywhere() {
        let mut found = vec![];
        pages(&command(), "", &mut found);
        for path in &found {
            for help in ["--help", "-h"] {
                let typed = ["jeton"].into_iter().chain(path.split_whitespace()).chain([help]);
                let shown = command().try_get_matches_from(typed).unwrap_err();
                assert_eq!(shown.kind(), ErrorKind::DisplayHelp);
                let shown = shown.to_string();
                assert_eq!(shown.contains("--config <FILE>"), path.is_empty(), "{shown}");
                assert_eq!(shown.contains("--version"), path.is_empty(), "{shown}");
                assert!(shown.contains("Example:\n  jeton") || shown.contains("Examples:\n  # "), "{shown}");
            }
        }
        let typed = "jeton client secret add worker --output json --dev --config f --database-url sqlite://a";
        assert!(command().try_get_matches_from(words(typed)).is_ok());
    }
}
