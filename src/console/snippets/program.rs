//! What a program does, whatever its language: the form that it sends, and what comes before and after.

/// What a program sends.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// This text.
    Text(String),
    /// What is in this environment variable. So no secret is in the program.
    Environment(&'static str),
    /// What the program has in this variable.
    Variable(&'static str),
}

/// Names and values of a form.
pub(super) type Fields = Vec<(&'static str, Value)>;

/// What a program does: it sends a form, and calls an API with the access token in the answer, or prints the answer.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Where the form is sent.
    pub(super) url: String,
    /// The form.
    pub(super) fields: Fields,
    /// The address of the API; none if the answer is printed.
    pub(super) api: Option<Value>,
    /// How a person logs in before, if one does.
    pub(super) login: Option<Login>,
    /// Who signs an assertion before, with a key of its own, if the client does (RFC 7523 §2.2).
    pub(super) signer: Option<Signer>,
}

/// Who signs an assertion, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    /// The client.
    pub(super) client_id: String,
    /// The issuer.
    pub(super) issuer: String,
}

/// How a person logs in (RFC 6749 §4.1, RFC 7636).
#[derive(Clone, Debug)]
pub(super) struct Login {
    /// The issuer, which the answer must name (RFC 9207).
    pub(super) issuer: String,
    /// The authorization endpoint.
    pub(super) endpoint: String,
    /// The parameters of the request.
    pub(super) question: Fields,
    /// The redirect URI.
    pub(super) redirect_uri: String,
    /// What is before and after the port of the redirect URI, if the program itself may wait there, on any port.
    pub(super) listens: Option<(String, String)>,
}

impl Program {
    /// Whether a part of a template is there.
    pub(super) fn has(&self, name: &str) -> bool {
        let listens = self.login.as_ref().is_some_and(|login| login.listens.is_some());
        let is_environment = |value: &Value| matches!(value, Value::Environment(_));
        let environment =
            self.fields.iter().any(|(_, value)| is_environment(value)) || self.api.as_ref().is_some_and(is_environment);
        match name {
            "token" => self.api.is_some(),
            "answer" => self.api.is_none(),
            "key" => self.signer.is_some(),
            "json" => self.signer.is_some() || self.api.is_some(),
            "listen" => listens,
            "paste" => !listens,
            "environment" => environment,
            "os" => environment || !listens,
            "encode" => secrets(&self.fields).len() > 1,
            _ => false,
        }
    }
}

impl Login {
    /// The address of the authorization request, as far as it is known before.
    pub(super) fn address(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.question {
            let text = match value {
                Value::Text(text) => text,
                Value::Variable("redirect_uri") => &self.redirect_uri,
                Value::Variable(_) | Value::Environment(_) => continue,
            };
            query.append_pair(name, text);
        }
        format!("{}?{}", self.endpoint, query.finish())
    }
}

impl Value {
    /// Whether the list of processes must not show it.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Environment(_) | Self::Variable("code" | "verifier"))
    }
}

/// What of a form is secret.
pub(super) fn secrets<'a>(fields: &'a [(&'static str, Value)]) -> Vec<(&'static str, &'a Value)> {
    fields.iter().filter(|(_, value)| value.is_secret()).map(|(name, value)| (*name, value)).collect()
}
