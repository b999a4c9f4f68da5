//! `jeton serve`.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Args, FromArgMatches};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::util::SubscriberInitExt;

use crate::admin::demo;
use crate::cli::context::{resolve, settings};
use crate::cli::{Failed, Global, Outcome, output};
use crate::clock::Clock;
use crate::serve::{Server, process};
use crate::settings::{Needs, Settings, TABLE, log_filter};
use crate::telemetry;

/// The flags of `serve`: one for each setting that is not a secret.
#[derive(Clone, Debug, Default)]
pub(super) struct Serve {
    flags: BTreeMap<&'static str, String>,
}

impl FromArgMatches for Serve {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut serve = Self::default();
        serve.update_from_arg_matches(matches)?;
        Ok(serve)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in TABLE.iter().filter(|setting| !setting.secret) {
            if let Some(value) = matches.get_one::<String>(setting.name) {
                self.flags.insert(setting.name, value.clone());
            }
        }
        Ok(())
    }
}

impl Args for Serve {
    fn augment_args(command: clap::Command) -> clap::Command {
        TABLE.iter().filter(|setting| !setting.secret).fold(command, |command, setting| {
            let default =
                if setting.default.is_empty() { String::new() } else { format!(" [default: {}]", setting.default) };
            let help = format!("{}{default} [env: {}]", setting.help, setting.variable());
            command.arg(Arg::new(setting.name).long(setting.flag()).value_name("VALUE").help(help))
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

pub(super) async fn run(global: &Global, command: &Serve) -> Outcome {
    // Before any secret is read.
    process::forbid_core_dumps()?;
    let resolved = resolve(global, command.flags.clone());
    let settings = settings(&resolved, Needs::ALL)?;
    start_log(&settings);
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    // It holds secrets, which the settings have read.
    drop(resolved);
    let mut stop = StopSignals::listen()?;
    let server = tokio::select! {
        server = Server::start(settings, Clock::system()) => server?,
        // The start may take a while, since it waits for a database that is not up yet.
        () = stop.wait() => {
            tracing::info!("stopped while starting");
            return Ok(());
        }
    };
    let issuer = server.app.issuer.url();
    tracing::info!(address = %server.address, ops_address = %server.ops_address, issuer, "listening");
    if server.app.settings.dev {
        output::line(&first_steps(&format!("{}://{}", server.app.settings.scheme(), server.address)))?;
    }
    stop.wait().await;
    tracing::info!("stopping: requests in flight are finished; a second signal stops at once");
    tokio::select! {
        () = server.stop() => {}
        () = stop.wait() => return Err(Failed("stopped by a second signal; requests in flight were cut off".into())),
    }
    tracing::info!("stopped");
    Ok(())
}

fn start_log(settings: &Settings) {
    let filter = log_filter().parse_lossy(&settings.log_level);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    telemetry::log::subscriber(settings.log_format, filter, ansi, std::io::stderr).init();
}

/// SIGTERM and Ctrl-C.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> Result<Self, Failed> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Ready-to-paste requests against the demo set.
fn first_steps(base: &str) -> String {
    let (user, password) = demo::USER;
    let (administrator, secret) = demo::ADMINISTRATOR;
    // The redirect URIs of the demo set are for http.
    let login = match base.starts_with("http:") {
        true => format!("# log in at a browser, as {user} with {password}: open {base}/demo\n\n"),
        false => String::new(),
    };
    format!(
        "\nThis is a development server with well-known secrets, on {base}. Try it:\n\n\
         {login}\
         # get a token\n\
         TOKEN=$(curl -s -X POST {base}/auth/token -d 'username={user}&password={password}' \\\n  \
           | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/'); echo \"$TOKEN\"\n\n\
         # introspect it\n\
         curl -s -u demo-api:demo-api-secret {base}/auth/introspect -d \"token=$TOKEN\"; echo\n\n\
         # revoke it\n\
         curl -s {base}/auth/revoke -d client_id=demo-login -d \"token=$TOKEN\"; echo\n\n\
         # introspect it again\n\
         curl -s -u demo-api:demo-api-secret {base}/auth/introspect -d \"token=$TOKEN\"; echo\n\n\
         # ask why it is refused\n\
         curl -s -u demo-api:demo-api-secret {base}/auth/explain -d \"token=$TOKEN\"; echo\n\n\
         # administer, as {administrator} with {secret}: open {base}/console\n\n\
         The API: {base}/docs   Administration: demo-admin / demo-admin-secret   Stop: Ctrl-C\n"
    )
}
