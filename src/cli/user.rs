//! `jeton user`.

use clap::Subcommand;

use crate::admin::ListRequest;
use crate::admin::body::Patch;
use crate::admin::users::{NewPasswordLink, NewUser, UserPatch};
use crate::cli::context::{actor, open};
use crate::cli::names::{self, NewUserName, UserName};
use crate::cli::{Failed, Global, Outcome, output, secrets};
use crate::settings::Needs;
use crate::store::UserFilter;

#[derive(Debug, clap::Args)]
pub(super) struct UserCommand {
    #[command(subcommand)]
    command: Action,
}

/// Which part of a list to show.
#[derive(Debug, clap::Args)]
pub(super) struct Part {
    /// The most items to list
    #[arg(long)]
    limit: Option<i64>,
    /// Where to begin, as the previous part said
    #[arg(long, allow_hyphen_values = true)]
    cursor: Option<String>,
}

impl Part {
    /// The request for it.
    pub(super) fn request(&self) -> ListRequest {
        ListRequest { limit: self.limit, cursor: self.cursor.clone() }
    }

    /// Says where the next part begins.
    #[expect(clippy::unused_self, reason = "it belongs to the flags that it repeats")]
    pub(super) fn show_next(&self, next: Option<&str>) -> Outcome {
        next.map_or(Ok(()), |cursor| output::note(&format!("there are more: --cursor {cursor}")))
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a user; the password is read from standard input or a prompt
    Create {
        #[command(flatten)]
        user: NewUserName,
        /// The `sub` of its tokens, which never changes; its id unless set
        #[arg(long)]
        sub: Option<String>,
        /// Create it without a password: it cannot log in
        #[arg(long)]
        no_password: bool,
        /// What it may be granted; whatever the client may unless set
        #[arg(long)]
        scope: Vec<String>,
        /// Claims that go into its tokens, as a JSON object
        #[arg(long, value_name = "JSON")]
        claims: Option<String>,
        /// Claims of OpenID Connect, such as {"name": "Anna"}, as a JSON object
        #[arg(long, value_name = "JSON")]
        profile: Option<String>,
        /// Whether it may log in
        #[arg(long, value_name = "BOOL", default_value = "true", action = clap::ArgAction::Set)]
        enabled: bool,
        /// What it may administer in the console: admin, clients, users, revoke or read; nothing unless set
        #[arg(long)]
        role: Option<String>,
    },
    /// List users
    List {
        /// Only the user with this name
        #[arg(long)]
        username: Option<String>,
        /// Only the user with this `sub`
        #[arg(long)]
        sub: Option<String>,
        /// Only users with a role
        #[arg(long)]
        with_role: bool,
        #[command(flatten)]
        part: Part,
    },
    /// Show a user
    Show {
        #[command(flatten)]
        user: UserName,
    },
    /// Change a user; members that are not named stay
    Update {
        #[command(flatten)]
        user: UserName,
        /// A new name
        #[arg(long, value_name = "NAME")]
        new_username: Option<String>,
        /// What it may be granted
        #[arg(long)]
        scope: Vec<String>,
        /// Claims that go into its tokens, as a JSON object; null removes one
        #[arg(long, value_name = "JSON")]
        claims: Option<String>,
        /// Claims of OpenID Connect, as a JSON object; null removes one
        #[arg(long, value_name = "JSON")]
        profile: Option<String>,
        /// What it may administer in the console: admin, clients, users, revoke, read or none
        #[arg(long)]
        role: Option<String>,
    },
    /// Disable a user and end what was issued to it
    Disable {
        #[command(flatten)]
        user: UserName,
    },
    /// Enable a user
    Enable {
        #[command(flatten)]
        user: UserName,
    },
    /// Delete a user and end what was issued to it
    Delete {
        #[command(flatten)]
        user: UserName,
    },
    /// Print a one-time link by which the user sets a password; it takes the place of an earlier one
    PasswordLink {
        #[command(flatten)]
        user: UserName,
        /// How long it lives, at most 7d
        #[arg(long, value_name = "DURATION", default_value = "1d")]
        ttl: String,
    },
    /// Second factors
    SecondFactor {
        #[command(subcommand)]
        command: SecondFactor,
    },
    /// Set a password, read from standard input or a prompt, and end what was issued to the user
    Password {
        #[command(flatten)]
        user: UserName,
    },
}

#[derive(Debug, Subcommand)]
enum SecondFactor {
    /// Remove the second factor of a user who has lost it; the password alone is enough then
    Remove {
        #[command(flatten)]
        user: UserName,
    },
}

pub(super) async fn run(global: &Global, command: UserCommand) -> Outcome {
    let format = global.output;
    let needs_issuer = matches!(command.command, Action::PasswordLink { .. });
    let app = open(global, if needs_issuer { Needs::ISSUER } else { Needs::NOTHING }).await?;
    let actor = actor();
    let set_enabled = async |user: &UserName, enabled: bool| {
        let patch = UserPatch { enabled: Patch::Set(enabled), ..UserPatch::default() };
        output::item(format, &app.user_update(user.get(), patch, &actor).await?)
    };
    match command.command {
        Action::Create { user, sub, no_password, scope, claims, profile, enabled, role } => {
            let new = NewUser {
                sub,
                username: user.get().to_owned(),
                password: (!no_password).then(|| secrets::read("password")).transpose()?,
                scope: names::scope(&scope)?,
                claims: names::claims("claims", claims.as_deref())?,
                profile: names::claims("profile", profile.as_deref())?,
                enabled: Some(enabled),
                role: role.as_deref().map(names::role).transpose()?,
            };
            output::item(format, &app.user_create(new, &actor).await?)
        }
        Action::List { username, sub, with_role, part } => {
            let filter = UserFilter { username: username.as_deref(), sub: sub.as_deref(), with_role };
            let list = app.user_list(&filter, &part.request()).await?;
            output::items(
                format,
                &list.items,
                &["id", "sub", "username", "scope", "role", "enabled", "has_password", "created_at"],
            )?;
            part.show_next(list.next.as_deref())
        }
        Action::Show { user } => output::item(format, &app.user_show(user.get()).await?),
        Action::Update { user, new_username, scope, claims, profile, role } => {
            if new_username.is_none() && scope.is_empty() && claims.is_none() && profile.is_none() && role.is_none() {
                return Err(Failed("nothing to change: name at least one member, such as --scope".into()));
            }
            let patch = UserPatch {
                username: new_username,
                scope: names::scope(&scope)?.map_or(Patch::Keep, Patch::Set),
                claims: names::claims("claims", claims.as_deref())?.map_or(Patch::Keep, Patch::Set),
                profile: names::claims("profile", profile.as_deref())?.map_or(Patch::Keep, Patch::Set),
                role: match role.as_deref() {
                    None => Patch::Keep,
                    Some("none") => Patch::Reset,
                    Some(name) => Patch::Set(names::role(name)?),
                },
                ..UserPatch::default()
            };
            output::item(format, &app.user_update(user.get(), patch, &actor).await?)
        }
        Action::Disable { user } => set_enabled(&user, false).await,
        Action::Enable { user } => set_enabled(&user, true).await,
        Action::Delete { user } => {
            app.user_delete(user.get(), &actor).await?;
            output::done(format, &format!("user {} is deleted", user.get()))
        }
        Action::PasswordLink { user, ttl } => {
            let new = NewPasswordLink {
                ttl: names::seconds("--ttl", Some(ttl.as_str()))?.and_then(|ttl| ttl.try_into().ok()),
            };
            output::item(format, &app.user_password_link(user.get(), &new, &actor).await?)
        }
        Action::SecondFactor { command: SecondFactor::Remove { user } } => {
            app.user_second_factor_remove(user.get(), &actor).await?;
            output::done(format, &format!("{} has no second factor any more", user.get()))
        }
        Action::Password { user } => {
            let password = secrets::read("new password")?;
            app.user_set_password(user.get(), password, &actor).await?;
            output::done(format, &format!("the password of {} is set; its sessions have ended", user.get()))
        }
    }
}
