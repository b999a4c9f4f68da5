//! The rules of a trusted issuer: adding one, changing one, removing one.

use std::collections::BTreeMap;

use crate::admin::body::Patch;
use crate::admin::issuers::IssuerPatch;
use crate::admin::powers::ADMIN;
use crate::admin::{AdminError, Result};
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, FieldKind, Form, Page};
use crate::console::typed::{Answered, Typed, changed_meanwhile, put_beside, state_of};
use crate::console::visit::{Content, Outcome, Visit, address};
use crate::protocol::condition::Condition;
use crate::protocol::trusted_issuer::{IssuerSettings, Rule};

const PATH: &str = "console/issuer-rule";
/// Where a rule leads back to.
const ISSUER: &str = "console/issuer";

/// The fields of a form for a rule, but for its conditions.
const NAMES: [&str; 5] = ["issuer", "seen", "number", "name", "client_id"];

/// The fields of each condition: claim, kind, and value.
const CONDITIONS: [[&str; 3]; 6] = [
    ["claim1", "kind1", "value1"],
    ["claim2", "kind2", "value2"],
    ["claim3", "kind3", "value3"],
    ["claim4", "kind4", "value4"],
    ["claim5", "kind5", "value5"],
    ["claim6", "kind6", "value6"],
];

/// The labels of these fields.
const LABELS: [[&str; 3]; 6] = [
    ["Claim 1", "What claim 1 must be", "Value of claim 1"],
    ["Claim 2", "What claim 2 must be", "Value of claim 2"],
    ["Claim 3", "What claim 3 must be", "Value of claim 3"],
    ["Claim 4", "What claim 4 must be", "Value of claim 4"],
    ["Claim 5", "What claim 5 must be", "Value of claim 5"],
    ["Claim 6", "What claim 6 must be", "Value of claim 6"],
];

const KINDS: [(&str, &str); 4] = [
    ("equals", "exactly the value"),
    ("one_of", "one of the values, one a line"),
    ("prefix", "what begins with the value, which ends with / or :"),
    ("glob", "what fits the value, in which * stands for anything but / and :"),
];

/// The address at which a rule is added to an issuer.
pub(super) fn new(issuer: &str) -> String {
    address(PATH, &[("issuer", issuer)])
}

/// The address at which a rule of an issuer is changed; the first has the number 1.
pub(super) fn one(issuer: &str, number: usize) -> String {
    address(PATH, &[("issuer", issuer), ("number", &number.to_string())])
}

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(ADMIN)?;
    let issuer = visit.app.issuer_show(&visit.text("issuer")?).await?;
    let typed = Typed::default().with("issuer", issuer.issuer.as_str()).with("seen", state_of(&issuer.settings));
    let typed = match visit.one("number")? {
        None => typed,
        Some(number) => {
            let rule = issuer.settings.rules.get(index(number, &issuer.settings)?);
            let rule = rule.filter(|rule| rule.claims.len() <= CONDITIONS.len()).ok_or_else(|| {
                let most = CONDITIONS.len();
                AdminError::Conflict(format!(
                    "a rule with more than {most} conditions is changed by jeton issuer update"
                ))
            })?;
            typed_of(rule, typed.with("number", number))
        }
    };
    Ok(page(Answered::GOOD, &typed, fields(&typed)).into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(ADMIN)?;
    let conditions = CONDITIONS.into_iter().flatten();
    let names: Vec<&'static str> = NAMES.into_iter().chain(conditions).collect();
    confirm(visit, &names).await?;
    let typed = Typed::read(visit, &names)?;
    let name = typed.get("issuer");
    let mut place = 0;
    let rules = |settings: &IssuerSettings| {
        place = self::place(&typed, settings)?;
        with_rule(&typed, place, settings)
    };
    match visit.app.issuer_change(name, rules, &visit.actor()).await {
        Ok(_) => Ok(Content::Elsewhere(address(ISSUER, &[("issuer", name), ("done", "issuer_saved")]))),
        Err(error @ AdminError::NotFound(_)) => Err(error.into()),
        Err(error) => {
            let mut fields = fields(&typed);
            let answered = put_beside(about_field(error, place, &typed), &mut fields, "name")?;
            Ok(page(answered, &typed, fields).into())
        }
    }
}

/// Removes the rule that the form names.
pub(super) async fn remove(visit: &Visit<'_>, name: &str) -> Outcome<()> {
    let (seen, number) = (visit.text("seen")?, visit.text("number")?);
    let rules = |settings: &IssuerSettings| {
        if seen != state_of(settings) {
            return Err(changed_meanwhile());
        }
        let mut rules = settings.rules.clone();
        rules.remove(index(&number, settings)?);
        Ok(IssuerPatch { rules: Patch::Set(rules), ..IssuerPatch::default() })
    };
    visit.app.issuer_change(name, rules, &visit.actor()).await?;
    Ok(())
}

/// The index of the rule with this number.
fn index(number: &str, settings: &IssuerSettings) -> Result<usize> {
    let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let index = index.filter(|index| *index < settings.rules.len());
    index.ok_or_else(|| AdminError::NotFound("the issuer has no such rule".into()))
}

/// The place of the rule among those of the issuer.
fn place(typed: &Typed, settings: &IssuerSettings) -> Result<usize> {
    typed.text("number").map_or(Ok(settings.rules.len()), |number| index(&number, settings))
}

/// The patch that makes the rules what the form says of the one at this place.
fn with_rule(typed: &Typed, place: usize, settings: &IssuerSettings) -> Result<IssuerPatch> {
    if typed.get("seen") != state_of(settings) {
        return Err(changed_meanwhile());
    }
    let rule = read(typed)?;
    let mut rules = settings.rules.clone();
    match rules.get_mut(place) {
        Some(old) => *old = rule,
        None => rules.push(rule),
    }
    Ok(IssuerPatch { rules: Patch::Set(rules), ..IssuerPatch::default() })
}

/// The rule that a form describes. What is wrong names the field.
fn read(typed: &Typed) -> Result<Rule> {
    let invalid = |text: String| AdminError::Invalid(text);
    let mut claims = BTreeMap::new();
    for [claim_field, kind_field, value_field] in CONDITIONS {
        let (claim, lines) = (typed.text(claim_field), typed.lines(value_field));
        let Some(claim) = claim else {
            if lines.is_empty() {
                continue;
            }
            return Err(invalid(format!("{claim_field}: name the claim that has this value")));
        };
        let kind = typed.get(kind_field);
        let condition = match (kind, &lines[..]) {
            (_, []) => return Err(invalid(format!("{value_field}: type in a value"))),
            ("one_of", _) => Condition::OneOf(lines),
            (_, [_, _, ..]) => return Err(invalid(format!("{value_field}: several values are for \"one of\""))),
            ("equals" | "", [only]) => Condition::Equals(only.clone()),
            ("prefix", [only]) => Condition::Prefix(only.clone()),
            ("glob", [only]) => Condition::Glob(only.clone()),
            _ => return Err(invalid(format!("{kind_field}: there is no such condition"))),
        };
        if claims.insert(claim, condition).is_some() {
            return Err(invalid(format!("{claim_field}: this claim is there twice")));
        }
    }
    Ok(Rule { name: typed.text("name"), client_id: typed.text("client_id"), claims })
}

/// What is wrong with the rule at this place, as an error about a field of the form.
fn about_field(error: AdminError, place: usize, typed: &Typed) -> AdminError {
    match error {
        AdminError::Invalid(text) => AdminError::Invalid(naming_field(&text, place, typed).unwrap_or(text)),
        error => error,
    }
}

fn naming_field(text: &str, place: usize, typed: &Typed) -> Option<String> {
    // Clients are looked up for all rules together.
    if let Some(problem) = text.strip_prefix("rules: ") {
        return Some(format!("client_id: {problem}"));
    }
    let problem = text.strip_prefix(&format!("rules[{place}]: "))?;
    let of_claim = CONDITIONS.iter().find_map(|[claim, _, value]| {
        let problem = problem.strip_prefix(&format!("claims.{}: ", typed.text(claim)?))?;
        Some(format!("{value}: {problem}"))
    });
    let of_claims = || problem.starts_with("claims").then(|| format!("claim1: {problem}"));
    Some(of_claim.or_else(of_claims).unwrap_or_else(|| problem.to_owned()))
}

/// What a form holds that shows a rule as it is, besides what it holds already.
fn typed_of(rule: &Rule, typed: Typed) -> Typed {
    let mut typed = typed
        .with("name", rule.name.clone().unwrap_or_default())
        .with("client_id", rule.client_id.clone().unwrap_or_default());
    for ((claim, condition), [claim_field, kind_field, value_field]) in rule.claims.iter().zip(CONDITIONS) {
        let (kind, value) = match condition {
            Condition::Equals(text) => ("equals", text.clone()),
            Condition::OneOf(texts) => ("one_of", texts.join("\n")),
            Condition::Prefix(text) => ("prefix", text.clone()),
            Condition::Glob(text) => ("glob", text.clone()),
        };
        typed = typed.with(claim_field, claim.as_str()).with(kind_field, kind).with(value_field, value);
    }
    typed
}

fn fields(typed: &Typed) -> Vec<Field> {
    let of = |name: &'static str, label: &'static str| Field::new(name, label, typed.get(name));
    let mut fields = vec![
        Field::hidden("issuer", typed.get("issuer")),
        Field::hidden("seen", typed.get("seen")),
        Field { help: "For people, such as: main branch of octo-org/app.", ..of("name", "Name") },
        Field {
            help: "The client that such a token proves. Empty: the token is about its subject.",
            ..of("client_id", "Client")
        },
    ];
    if !typed.get("number").is_empty() {
        fields.push(Field::hidden("number", typed.get("number")));
    }
    for ([claim, kind, value], [of_claim, of_kind, of_value]) in CONDITIONS.into_iter().zip(LABELS) {
        fields.extend([
            of(claim, of_claim),
            Field { kind: FieldKind::Choice(KINDS.to_vec()), ..of(kind, of_kind) },
            Field { kind: FieldKind::Area, ..of(value, of_value) },
        ]);
    }
    fields
}

fn page(answered: Answered, typed: &Typed, fields: Vec<Field>) -> Page {
    let issuer = typed.get("issuer");
    let number = typed.get("number");
    let title = if number.is_empty() { "Add a rule".to_owned() } else { format!("Rule {number}") };
    let form = Form::post("rule", PATH, fields, vec![Button::new("save", "Save")]);
    let text = "All conditions must hold, and at least one is about who the subject is, such as sub or repository_id. A claim inside an \
                object is named by a JSON pointer, such as /kubernetes.io/serviceaccount/uid. Leave conditions empty that you do not need.";
    let back = Cell::link("Cancel", address(ISSUER, &[("issuer", issuer)]));
    answered
        .page(title)
        .with(Block::text(format!("A rule of the issuer {issuer}.")))
        .with(Block::text(text))
        .with(Block::Form(form))
        .with(Block::Text(vec![back]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule() -> Rule {
        let claims = json!({
            "a": {"equals": "1"}, "b": {"one_of": ["1", "2"]}, "c": {"prefix": "x:y:"}, "sub": {"glob": "repo:octo/app:*"},
        });
        serde_json::from_value(json!({"name": "N", "client_id": "deployer", "claims": claims})).unwrap()
    }

    #[test]
    fn a_rule_that_is_shown_is_read_as_it_was() {
        assert_eq!(read(&typed_of(&rule(), Typed::default())), Ok(rule()));
    }

    #[test]
    fn a_rule_is_added_or_takes_the_place_of_another() {
        let settings = IssuerSettings { rules: vec![Rule::default(), Rule::default()], ..IssuerSettings::default() };
        let typed = || typed_of(&rule(), Typed::default().with("seen", state_of(&settings)));
        let place = |typed: &Typed| place(typed, &settings);
        assert_eq!((place(&typed()), place(&typed().with("number", "1"))), (Ok(2), Ok(0)));
        for number in ["0", "3", "-1", "x", "99999999999999999999999"] {
            assert!(place(&typed().with("number", number)).is_err(), "{number}");
        }
        let rules = |place| with_rule(&typed(), place, &settings).unwrap().rules;
        assert_eq!(rules(2), Patch::Set(vec![Rule::default(), Rule::default(), rule()]));
        assert_eq!(rules(0), Patch::Set(vec![rule(), Rule::default()]));
        let stale = typed().with("seen", "other");
        assert!(matches!(with_rule(&stale, 2, &settings), Err(AdminError::Conflict(_))));
    }

    #[test]
    fn what_is_wrong_is_said_of_the_field() {
        let typed = || typed_of(&rule(), Typed::default());
        for (field, value) in [("claim2", ""), ("value2", ""), ("claim2", "a"), ("kind1", "regex"), ("value1", "a\nb")]
        {
            let error = read(&typed().with(field, value)).unwrap_err().to_string();
            assert!(error.starts_with(field), "{field}: {error}");
        }
        for (text, field) in [
            ("rules[2]: claims.sub: prefix must end with /", "value4: prefix"),
            ("rules[2]: claims must have a condition", "claim1: claims"),
            ("rules[2]: client_id must be", "client_id must"),
            ("rules: there is no client x", "client_id: there"),
            ("rules[1]: client_id must be", "rules[1]"),
        ] {
            let error = about_field(AdminError::Invalid(text.into()), 2, &typed()).to_string();
            assert!(error.starts_with(field), "{text}: {error}");
        }
    }
}
