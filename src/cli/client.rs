//! `jeton client`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

use crate::admin::body::Patch;
use crate::admin::client_blocks::NewClientBlock;
use crate::admin::clients::{ClientPatch, NewClient};
use crate::cli::context::{actor, open};
use crate::cli::members::{Named, array};
use crate::cli::names::{self, ClientName, NewClientName};
use crate::cli::{Failed, Global, Outcome, output, secrets};
use crate::settings::Needs;

#[derive(Debug, clap::Args)]
pub(super) struct ClientCommand {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a client; its generated secret is printed once
    Create {
        #[command(flatten)]
        client: NewClientName,
        /// Take the secret from standard input or a prompt instead of generating one
        #[arg(long)]
        import_secret: bool,
        #[command(flatten)]
        members: Box<Members>,
    },
    /// List clients
    List {
        /// Only the client with this id
        #[arg(long)]
        client_id: Option<String>,
        #[command(flatten)]
        part: crate::cli::user::Part,
    },
    /// Show a client
    Show {
        #[command(flatten)]
        client: ClientName,
    },
    /// Change a client; members that are not named stay
    Update {
        #[command(flatten)]
        client: ClientName,
        #[command(flatten)]
        members: Box<Members>,
    },
    /// Disable a client and end what was issued to it
    Disable {
        #[command(flatten)]
        client: ClientName,
    },
    /// Enable a client
    Enable {
        #[command(flatten)]
        client: ClientName,
    },
    /// Delete a client and end what was issued to it
    Delete {
        #[command(flatten)]
        client: ClientName,
    },
    /// Block clients that nobody registered, and end what was issued to them
    Block {
        /// The URL of a client's metadata document, or a host with every name below it
        #[arg(value_name = "URL|HOST")]
        target: String,
        /// Why, for the records
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// End a block; what had been issued stays ended
    Unblock {
        /// What is blocked
        #[arg(value_name = "URL|HOST")]
        target: String,
    },
    /// List what is blocked
    Blocks {
        #[command(flatten)]
        part: crate::cli::user::Part,
    },
    /// Add or retire secrets (two may be valid at a time)
    Secret {
        #[command(subcommand)]
        command: SecretAction,
    },
}

#[derive(Debug, Subcommand)]
enum SecretAction {
    /// Add a second secret; it is printed once
    Add {
        #[command(flatten)]
        client: ClientName,
    },
    /// Retire a secret
    Retire {
        #[command(flatten)]
        client: ClientName,
        /// The secret's id, as `jeton client show` prints it
        #[arg(long)]
        secret_id: String,
        /// Also end what was issued to the client so far
        #[arg(long)]
        revoke: bool,
    },
}

/// The members of a client, by the names of the API.
#[derive(Debug, clap::Args)]
struct Members {
    /// A name for people
    #[arg(long)]
    client_name: Option<String>,
    /// client_secret_basic, client_secret_post, private_key_jwt (with --jwks or --jwks-uri), tls_client_auth (with one
    /// --tls-client-auth-…), self_signed_tls_client_auth (with --jwks or --jwks-uri) or none (a public client)
    #[arg(long, value_name = "METHOD")]
    token_endpoint_auth_method: Option<String>,
    /// File with the client's public keys, a JSON Web Key Set or one key; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks: Option<PathBuf>,
    /// Where the client publishes its public keys, instead of --jwks
    #[arg(long, value_name = "URI")]
    jwks_uri: Option<String>,
    /// The subject of its certificate, such as CN=worker,O=Example,C=FR (for tls_client_auth, one of the five names)
    #[arg(long, value_name = "DN")]
    tls_client_auth_subject_dn: Option<String>,
    /// A DNS name in its certificate
    #[arg(long, value_name = "NAME")]
    tls_client_auth_san_dns: Option<String>,
    /// A URI in its certificate
    #[arg(long, value_name = "URI")]
    tls_client_auth_san_uri: Option<String>,
    /// An address in its certificate
    #[arg(long, value_name = "ADDRESS")]
    tls_client_auth_san_ip: Option<String>,
    /// An email address in its certificate
    #[arg(long, value_name = "EMAIL")]
    tls_client_auth_san_email: Option<String>,
    /// Whether its access tokens are bound to the certificate that it shows: true or false
    #[arg(long, value_name = "BOOL")]
    tls_client_certificate_bound_access_tokens: Option<bool>,
    /// The trusted issuers whose tokens it may present (repeated or comma-separated)
    #[arg(long, value_name = "ISSUERS")]
    issuers: Vec<String>,
    /// The servers for which it may get identity assertions, as a JSON array of {"audience", "client_id", "scope"}
    #[arg(long, value_name = "JSON")]
    identity_assertion_audiences: Option<String>,
    /// How it gets tokens: authorization_code, client_credentials, refresh_token, password,
    /// urn:ietf:params:oauth:grant-type:device_code, urn:ietf:params:oauth:grant-type:jwt-bearer
    /// (repeated or comma-separated)
    #[arg(long, value_name = "GRANTS")]
    grant_types: Vec<String>,
    /// What it may be granted (space- or comma-separated)
    #[arg(long)]
    scope: Vec<String>,
    /// The resources that its tokens may be for (repeated or comma-separated)
    #[arg(long, value_name = "URIS")]
    audiences: Vec<String>,
    /// jwt or opaque
    #[arg(long, value_name = "FORMAT")]
    access_token_format: Option<String>,
    /// at+jwt, or JWT for resource servers that accept no other
    #[arg(long, value_name = "TYP")]
    access_token_typ: Option<String>,
    /// Lifetime of an access token, such as 15m or 900
    #[arg(long, value_name = "TIME")]
    access_token_ttl: Option<String>,
    /// Longest time that a session may stay unused
    #[arg(long, value_name = "TIME")]
    refresh_token_ttl: Option<String>,
    /// Longest lifetime of a session
    #[arg(long, value_name = "TIME")]
    session_ttl: Option<String>,
    /// Whether a refresh gives a new refresh token
    #[arg(long, value_name = "BOOL")]
    refresh_token_rotation: Option<bool>,
    /// Time in which a repeated refresh gets the same successor; 0 switches it off
    #[arg(long, value_name = "TIME")]
    retry_window: Option<String>,
    /// How many sessions a user may have with it
    #[arg(long, value_name = "NUMBER")]
    max_sessions: Option<i64>,
    /// What else it may do: introspect, explain, exchange, impersonate (repeated or comma-separated)
    #[arg(long)]
    permissions: Vec<String>,
    /// The audiences whose tokens it may introspect or explain; all unless set, none if ''
    #[arg(long, value_name = "URIS")]
    introspect_audiences: Vec<String>,
    /// Where answers of the authorization endpoint may be sent (repeated or comma-separated)
    #[arg(long, value_name = "URIS")]
    redirect_uris: Vec<String>,
    /// Where people may be sent after they logged out (repeated or comma-separated)
    #[arg(long, value_name = "URIS")]
    post_logout_redirect_uris: Vec<String>,
    /// Where the client is told that a person logged out
    #[arg(long, value_name = "URI")]
    backchannel_logout_uri: Option<String>,
    /// web or native
    #[arg(long, value_name = "TYPE")]
    application_type: Option<String>,
    /// When people are asked what it may have: required, once or skip
    #[arg(long, value_name = "WHEN")]
    consent: Option<String>,
    /// Whether an authorization request needs a PKCE challenge: true or false
    #[arg(long, value_name = "BOOL")]
    require_pkce: Option<bool>,
    /// Whether its authorization requests must be pushed: true or false
    #[arg(long, value_name = "BOOL")]
    require_pushed_authorization_requests: Option<bool>,
    /// Whether each of its token requests needs a DPoP proof: true or false
    #[arg(long, value_name = "BOOL")]
    dpop_bound_access_tokens: Option<bool>,
    /// The algorithm that signs its ID tokens: RS256, PS256, ES256 or EdDSA
    #[arg(long, value_name = "ALG")]
    id_token_signed_response_alg: Option<String>,
    /// A security profile that binds it: fapi2
    #[arg(long, value_name = "PROFILE")]
    security_profile: Option<String>,
    /// The algorithm that signs answers of introspection, where it asks for a JWT: RS256, PS256, ES256 or EdDSA
    #[arg(long, value_name = "ALG")]
    introspection_signed_response_alg: Option<String>,
    /// Claims that go into its tokens, as a JSON object
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// Whether it may authenticate
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
}

impl Members {
    /// The members that were named.
    fn named(&self) -> Result<Named, Failed> {
        let mut named = Named::default();
        named.set("client_name", self.client_name.as_deref());
        named.set("token_endpoint_auth_method", self.token_endpoint_auth_method.as_deref());
        named.keys(self.jwks.as_deref(), self.jwks_uri.as_deref())?;
        let names = [
            ("tls_client_auth_subject_dn", &self.tls_client_auth_subject_dn),
            ("tls_client_auth_san_dns", &self.tls_client_auth_san_dns),
            ("tls_client_auth_san_uri", &self.tls_client_auth_san_uri),
            ("tls_client_auth_san_ip", &self.tls_client_auth_san_ip),
            ("tls_client_auth_san_email", &self.tls_client_auth_san_email),
        ];
        // A client has one name, so another one takes its place.
        let is_one = names.iter().filter(|(_, text)| text.is_some()).count() == 1;
        for (name, text) in names {
            match text {
                Some(text) => named.set(name, Some(text.as_str())),
                None if is_one => named.set(name, Some(Value::Null)),
                None => {}
            }
        }
        named.set("tls_client_certificate_bound_access_tokens", self.tls_client_certificate_bound_access_tokens);
        named.list("issuers", &self.issuers);
        if let Some(text) = &self.identity_assertion_audiences {
            let name = "identity_assertion_audiences";
            named.set(name, Some(array(name, text)?));
        }
        named.list("grant_types", &self.grant_types);
        named.set("scope", names::scope(&self.scope)?.map(|scope| scope.to_string()));
        named.list("audiences", &self.audiences);
        named.set("access_token_format", self.access_token_format.as_deref());
        named.set("access_token_typ", self.access_token_typ.as_deref());
        for (name, text) in [
            ("access_token_ttl", &self.access_token_ttl),
            ("refresh_token_ttl", &self.refresh_token_ttl),
            ("session_ttl", &self.session_ttl),
            ("retry_window", &self.retry_window),
        ] {
            named.seconds(name, text.as_deref())?;
        }
        named.set("refresh_token_rotation", self.refresh_token_rotation);
        named.set("max_sessions", self.max_sessions);
        named.list("permissions", &self.permissions);
        named.list("introspect_audiences", &self.introspect_audiences);
        named.list("redirect_uris", &self.redirect_uris);
        named.list("post_logout_redirect_uris", &self.post_logout_redirect_uris);
        named.set("backchannel_logout_uri", self.backchannel_logout_uri.as_deref());
        named.set("application_type", self.application_type.as_deref());
        named.set("consent", self.consent.as_deref());
        named.set("require_pkce", self.require_pkce);
        named.set("require_pushed_authorization_requests", self.require_pushed_authorization_requests);
        named.set("dpop_bound_access_tokens", self.dpop_bound_access_tokens);
        named.set("id_token_signed_response_alg", self.id_token_signed_response_alg.as_deref());
        named.set("security_profile", self.security_profile.as_deref());
        named.set("introspection_signed_response_alg", self.introspection_signed_response_alg.as_deref());
        named.claims(self.claims.as_deref())?;
        named.set("enabled", self.enabled);
        Ok(named)
    }
}

pub(super) async fn run(global: &Global, command: ClientCommand) -> Outcome {
    let format = global.output;
    let app = open(global, Needs::NOTHING).await?;
    let actor = actor();
    let set_enabled = async |client: &ClientName, enabled: bool| {
        let patch = ClientPatch { enabled: Patch::Set(enabled), ..ClientPatch::default() };
        output::item(format, &app.client_update(client.get(), patch, &actor).await?)
    };
    match command.command {
        Action::Create { client, import_secret, members } => {
            let client_secret = import_secret.then(|| secrets::read("client secret")).transpose()?;
            let settings = members.named()?.read()?;
            let new = NewClient { client_id: client.into_id(), client_secret, settings };
            output::item(format, &app.client_create(new, &actor).await?)
        }
        Action::List { client_id, part } => {
            let list = app.client_list(client_id.as_deref(), &part.request()).await?;
            let columns = ["client_id", "client_name", "grant_types", "scope", "enabled"];
            output::items(format, &list.items, &columns)?;
            part.show_next(list.next.as_deref())
        }
        Action::Show { client } => output::item(format, &app.client_show(client.get()).await?),
        Action::Update { client, members } => {
            let patch = members.named()?.read_change("--scope")?;
            output::item(format, &app.client_update(client.get(), patch, &actor).await?)
        }
        Action::Disable { client } => set_enabled(&client, false).await,
        Action::Enable { client } => set_enabled(&client, true).await,
        Action::Delete { client } => {
            app.client_delete(client.get(), &actor).await?;
            output::done(format, &format!("client {} is deleted", client.get()))
        }
        Action::Block { target, reason } => {
            output::item(format, &app.client_block_create(NewClientBlock { target, reason }, &actor).await?)
        }
        Action::Unblock { target } => {
            app.client_block_delete(&target, &actor).await?;
            output::done(format, &format!("{target} is no longer blocked"))
        }
        Action::Blocks { part } => {
            let list = app.client_block_list(&part.request()).await?;
            output::items(format, &list.items, &["target", "reason", "created_at"])?;
            part.show_next(list.next.as_deref())
        }
        Action::Secret { command: SecretAction::Add { client } } => {
            output::item(format, &app.client_secret_add(client.get(), &actor).await?)
        }
        Action::Secret { command: SecretAction::Retire { client, secret_id, revoke } } => {
            app.client_secret_retire(client.get(), &secret_id, revoke, &actor).await?;
            output::done(format, &format!("secret {secret_id} is retired"))
        }
    }
}
