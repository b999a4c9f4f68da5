//! The command line. Commands work on the database directly; a running server sees what they changed within a second.

mod admin_api;
mod apply;
mod backend;
mod client;
mod completions;
mod config;
mod context;
mod demo;
mod doctor;
mod export;
mod health;
mod help;
mod init;
mod issuer;
mod key;
mod members;
mod migrate;
mod names;
mod output;
mod resource;
mod revoke;
mod schema;
mod secrets;
mod serve;
mod token;
mod user;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::admin::AdminError;
use crate::app::StartError;
use crate::store::StoreError;

/// A self-hosted OAuth 2.0 token server that says why a token is refused.
#[derive(Debug, Parser)]
#[command(name = "jeton", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// Reads the arguments of this process. Prints help, or what is wrong with them, and ends it if there is nothing else to do.
    fn read() -> Self {
        Self::from_arg_matches(&help::command().get_matches()).unwrap_or_else(|error| error.exit())
    }
}

/// What every command understands.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Configuration file; jeton.toml is read if it exists
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database: sqlite://PATH or postgres://… (better in the environment if it holds a password)
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// For development: loopback only, embedded SQLite, demo clients and a demo user
    #[arg(long, global = true)]
    dev: bool,
    /// How results are printed: text, or json with the field names of the API
    #[arg(long, global = true, value_enum, default_value = "text", hide_possible_values = true)]
    output: Format,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    // For people.
    Text,
    // With the field names of the API.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server; without --dev, it requires JETON_ISSUER and JETON_MASTER_KEY
    Serve(Box<serve::Serve>),
    /// Prepare an installation: schema, first clients, first user. Safe to repeat: what exists stays
    Init(init::Init),
    /// Apply schema migrations
    Migrate,
    /// Bring clients, resources and trusted issuers to what YAML files say, all or nothing
    Apply(Box<apply::Apply>),
    /// Print clients, resources and trusted issuers as a YAML file for `jeton apply`, without secrets
    Export(Box<export::Export>),
    /// Print the JSON Schema of the files of `jeton apply`, for editors
    Schema,
    /// Create and administer clients
    Client(Box<client::ClientCommand>),
    /// Create and administer resources: the APIs that tokens are for
    Resource(Box<resource::ResourceCommand>),
    /// Create and administer trusted issuers, whose tokens prove clients or are exchanged
    Issuer(Box<issuer::IssuerCommand>),
    /// Create and administer users
    User(user::UserCommand),
    /// Revoke a token, a session, or everything of a user, of a client, or at all
    Revoke(revoke::Revoke),
    /// Say why a token is refused, and what a client would get
    Token(token::TokenCommand),
    /// Administer signing keys, token keys and the master key
    Key(key::KeyCommand),
    /// Create and administer webhooks, which are told of events
    Webhook(webhook::WebhookCommand),
    /// Administer the demo set of `serve --dev`
    Demo(demo::DemoCommand),
    /// Print the completion script for a shell
    Completions(completions::Completions),
    /// Show the effective configuration, secrets hidden, with where each value came from
    Config,
    /// Run the checks that predict problems: database, clock, issuer, keys, permissions
    Doctor,
    /// Ask the running server whether it is ready
    Health,
}

/// Why a command failed; printed as one line, or as one object.
#[derive(Debug)]
struct Failed(String);

impl Failed {
    /// The command has already printed why.
    const fn silently() -> Self {
        Self(String::new())
    }
}

impl From<AdminError> for Failed {
    fn from(error: AdminError) -> Self {
        Self(error.to_string())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<StartError> for Failed {
    fn from(error: StartError) -> Self {
        Self(error.0)
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

type Outcome = Result<(), Failed>;

/// Runs the command that the arguments name and returns its exit code: 0, or 1 if it was refused or failed. Wrong usage exits with 2.
// It waits here, because what is asynchronous is compiled where somebody waits for it: the library has most of it anyway.
pub fn main() -> ExitCode {
    let cli = Cli::read();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(_) => ExitCode::FAILURE,
    }
}

async fn run(cli: Cli) -> ExitCode {
    let global = cli.global;
    if !matches!(cli.command, Command::Serve(_)) {
        // Slow steps warn on standard error; the server sets up its own log.
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_target(false).without_time();
        log.with_ansi(false).with_writer(std::io::stderr).init();
    }
    let outcome = match cli.command {
        Command::Serve(command) => serve::run(&global, &command).await,
        Command::Init(command) => init::run(&global, command).await,
        Command::Migrate => migrate::run(&global).await,
        Command::Apply(command) => apply::run(&global, *command).await,
        Command::Export(command) => export::run(&global, *command).await,
        Command::Schema => schema::run(),
        Command::Client(command) => client::run(&global, *command).await,
        Command::Resource(command) => resource::run(&global, *command).await,
        Command::Issuer(command) => issuer::run(&global, *command).await,
        Command::User(command) => user::run(&global, command).await,
        Command::Revoke(command) => revoke::run(&global, command).await,
        Command::Token(command) => token::run(&global, command).await,
        Command::Key(command) => key::run(&global, command).await,
        Command::Webhook(command) => webhook::run(&global, command).await,
        Command::Demo(command) => demo::run(&global, &command).await,
        Command::Completions(command) => completions::run(&command),
        Command::Config => config::run(&global),
        Command::Doctor => doctor::run(&global).await,
        Command::Health => health::run(&global).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(text)) if text.is_empty() => ExitCode::FAILURE,
        Err(Failed(text)) => {
            output::failure(global.output, &text);
            ExitCode::FAILURE
        }
    }
}
