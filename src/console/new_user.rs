//! A new user, who sets the password by a link that is shown once.

use serde_json::{Map, Value};

use crate::admin::powers::{ADMIN, USERS};
use crate::admin::users::{NewPasswordLink, NewUser};
use crate::admin::{AdminError, Result};
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, FieldKind, Form, Page};
use crate::console::typed::{Answered, Typed, page_of_new, put_beside};
use crate::console::users;
use crate::console::visit::{Content, Outcome, Visit};
use crate::protocol::role::Role;
use crate::protocol::scope::Scope;

const PATH: &str = "console/new-user";
const NAMES: [&str; 6] = ["username", "name", "email", "sub", "scope", "role"];

pub(super) fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(USERS)?;
    Ok(page(Answered::GOOD, fields(visit, &Typed::default())).into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(USERS)?;
    let typed = Typed::read(visit, &NAMES)?;
    let created = match new_user(&typed) {
        Ok(new) => {
            // Whoever gets the link is the user. What is not in the person's power is said first.
            if new.role.is_none() || visit.may(ADMIN) {
                confirm(visit, &NAMES).await?;
            }
            visit.app.user_create(new, &visit.actor()).await
        }
        Err(error) => Err(error),
    };
    match created {
        Ok(user) => {
            let id = user.id.to_string();
            let link = visit.app.user_password_link(&id, &NewPasswordLink::default(), &visit.actor()).await?;
            Ok(done(&user.username, &id, link.url).into())
        }
        Err(error) => {
            let otherwise = if matches!(error, AdminError::NeedsAdmin(_)) { "role" } else { "username" };
            let mut fields = fields(visit, &typed);
            let answered = put_beside(about_profile(error), &mut fields, otherwise)?;
            Ok(page(answered, fields).into())
        }
    }
}

fn new_user(typed: &Typed) -> Result<NewUser> {
    let invalid = |text: String| AdminError::Invalid(text);
    let role = match typed.get("role") {
        "" | "none" => None,
        name => Some(name.parse::<Role>().map_err(|()| invalid("role: there is no such role".to_owned()))?),
    };
    let scope = typed
        .text("scope")
        .map(|scope| Scope::parse(&scope).map_err(|error| invalid(format!("scope: this is no scope: {error}"))));
    let claim = |name: &str| Some((name.to_owned(), Value::String(typed.text(name)?)));
    let profile: Map<String, Value> = ["name", "email"].into_iter().filter_map(claim).collect();
    Ok(NewUser {
        username: typed.text("username").ok_or_else(|| invalid("username: type in a name".to_owned()))?,
        sub: typed.text("sub"),
        scope: scope.transpose()?,
        profile: Some(profile),
        role,
        ..NewUser::default()
    })
}

/// An error about the profile is shown beside the field of the claim that it names.
fn about_profile(error: AdminError) -> AdminError {
    match error {
        AdminError::Invalid(text) => AdminError::Invalid(text.strip_prefix("profile: ").unwrap_or(&text).to_owned()),
        error => error,
    }
}

fn fields(visit: &Visit<'_>, typed: &Typed) -> Vec<Field> {
    let of = |name: &'static str, label: &'static str| Field::new(name, label, typed.get(name));
    let mut fields = vec![
        Field { is_required: true, help: "What the user logs in with.", ..of("username", "Username") },
        Field { help: "For ID tokens and UserInfo.", ..of("name", "Full name") },
        Field { help: "For ID tokens and UserInfo.", ..of("email", "Email address") },
        Field {
            help: "Empty: one is made. Only for a user who keeps it from elsewhere; it never changes.",
            ..of("sub", "sub of the user's tokens")
        },
        Field {
            help: "Names with spaces between them. Empty: whatever the client may.",
            ..of("scope", "May be granted")
        },
    ];
    if visit.may(ADMIN) {
        let choices = [("none", "none")].into_iter().chain(Role::ALL.iter().map(|role| (role.name(), role.name())));
        let help = "What the user may administer in the console.";
        fields.push(Field { kind: FieldKind::Choice(choices.collect()), help, ..of("role", "Role") });
    }
    fields
}

fn page(answered: Answered, fields: Vec<Field>) -> Page {
    let form = Form::post("new", PATH, fields, vec![Button::new("create", "Create the user")]);
    let text = "The next page shows a link by which the user sets a password.";
    page_of_new(answered, ("Create a user", text), form)
}

fn done(username: &str, id: &str, url: String) -> Page {
    Page::new("The user is created")
        .with(Block::text(format!(
            "Send this link to {username}, who sets a password there. It works once, for a day, and is as secret as a password. It is \
             shown only now."
        )))
        .with(Block::Code(url))
        .with(Block::Text(vec![Cell::link("To the user", users::one(id))]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_makes_a_user_of_what_is_filled_in() {
        let typed = Typed::default().with("username", "ada").with("email", "ada@example.test").with("role", "none");
        let new = new_user(&typed).unwrap();
        assert_eq!((new.username.as_str(), new.role, new.scope, new.sub), ("ada", None, None, None));
        assert_eq!(json!(new.profile), json!({"email": "ada@example.test"}));
        let new = new_user(&typed.with("role", "read").with("scope", "a b")).unwrap();
        assert_eq!((new.role, new.scope.map(|scope| scope.to_string()).as_deref()), (Some(Role::Read), Some("a b")));
    }

    #[test]
    fn what_is_wrong_is_said_of_the_field() {
        for (field, value) in [("username", " "), ("role", "root"), ("scope", "a\"b")] {
            let error = new_user(&Typed::default().with("username", "ada").with(field, value)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{field}: ")), "{error}");
        }
    }
}
