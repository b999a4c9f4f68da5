//! What a certificate of a client must say for `tls_client_auth` (RFC 8705 §2.1.2).

use std::net::IpAddr;

use crate::certificates::{AlternativeName, Certificate, DistinguishedName};
use crate::protocol::client::{AuthMethod, ClientSettings};

/// The longest expected name, in bytes.
const LONGEST: usize = 1024;

/// The one name that the certificate of a client must have.
#[derive(Clone, Debug)]
pub enum ExpectedSubject {
    /// Its subject.
    Dn(DistinguishedName),
    /// Among its alternative names, a DNS name. One with a wildcard stands for itself, not for others.
    Dns(String),
    /// A URI, compared byte for byte.
    Uri(String),
    /// An address.
    Ip(IpAddr),
    /// An email address.
    Email(String),
}

impl ExpectedSubject {
    /// The name that is registered for a client, if there is one.
    ///
    /// # Errors
    /// What is wrong: there are two, or it is no such name.
    pub fn of(settings: &ClientSettings) -> Result<Option<Self>, String> {
        let registered = settings.tls_client_auth_subjects();
        let (name, text) = match registered.as_slice() {
            [] => return Ok(None),
            [one] => *one,
            several => {
                let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
                return Err(format!("{}: a client has exactly one of them", names.join(" and ")));
            }
        };
        Self::parse(name, text).map(Some).map_err(|problem| format!("{name}: {problem}"))
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > LONGEST {
            return Err(format!("it must have 1 to {LONGEST} bytes"));
        }
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        match name {
            "tls_client_auth_subject_dn" => DistinguishedName::parse(text).map(Self::Dn),
            _ if !is_plain => Err("it must consist of visible ASCII characters".into()),
            "tls_client_auth_san_dns" => {
                let is_label = |label: &str| {
                    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                    (1..=63).contains(&label.len()) && label.bytes().all(is_legal)
                };
                if text.split('.').all(is_label) {
                    Ok(Self::Dns(text.to_owned()))
                } else {
                    Err("it must be a DNS name without wildcards, such as worker.example.com".into())
                }
            }
            "tls_client_auth_san_uri" => match url::Url::parse(text) {
                Ok(_) => Ok(Self::Uri(text.to_owned())),
                Err(_) => Err("it must be an absolute URI, such as spiffe://example.com/worker".into()),
            },
            "tls_client_auth_san_ip" => {
                text.parse().map(Self::Ip).map_err(|_| "it must be an address, such as 192.0.2.7 or 2001:db8::7".into())
            }
            _ => match text.rsplit_once('@') {
                Some((local, host)) if !local.is_empty() && !host.is_empty() => Ok(Self::Email(text.to_owned())),
                _ => Err("it must be an email address".into()),
            },
        }
    }

    /// Checks that a certificate has this name.
    ///
    /// # Errors
    /// What it has instead, for the log.
    pub fn check(&self, certificate: &Certificate) -> Result<(), String> {
        let has = |is_it: &dyn Fn(&AlternativeName) -> bool| certificate.alternative_names.iter().any(is_it);
        let (kind, is_there) = match self {
            Self::Dn(expected) if expected.is_same(&certificate.subject) => return Ok(()),
            Self::Dn(expected) => {
                let (subject, expected) = (certificate.subject.shown(), expected.shown());
                return Err(format!("the subject of the certificate is {subject}, and must be {expected}"));
            }
            Self::Dns(expected) => {
                let is_it = |name: &AlternativeName| matches!(name, AlternativeName::Dns(name) if name.eq_ignore_ascii_case(expected));
                ("DNS name", has(&is_it))
            }
            Self::Uri(expected) => ("URI", has(&|name| matches!(name, AlternativeName::Uri(uri) if uri == expected))),
            Self::Ip(expected) => {
                ("address", has(&|name| matches!(name, AlternativeName::Ip(address) if address == expected)))
            }
            Self::Email(expected) => {
                let is_it = |name: &AlternativeName| matches!(name, AlternativeName::Email(found) if same_mailbox(found, expected));
                ("email address", has(&is_it))
            }
        };
        if is_there {
            return Ok(());
        }
        Err(format!("the certificate of {} does not have the {kind} that is registered", certificate.subject.shown()))
    }
}

/// Whether two email addresses are one: the host is compared without regard to case, what stands before it exactly (RFC 5280 §7.5).
fn same_mailbox(one: &str, other: &str) -> bool {
    match (one.rsplit_once('@'), other.rsplit_once('@')) {
        (Some((local, host)), Some((other_local, other_host))) => {
            local == other_local && host.eq_ignore_ascii_case(other_host)
        }
        _ => false,
    }
}

/// Checks what is registered for a client about certificates.
///
/// # Errors
/// The member, and what is wrong with it.
pub fn check_settings(settings: &ClientSettings) -> Result<(), String> {
    let expected = ExpectedSubject::of(settings)?;
    if settings.token_endpoint_auth_method == AuthMethod::TlsClientAuth && expected.is_none() {
        return Err("token_endpoint_auth_method: tls_client_auth needs one of tls_client_auth_subject_dn, \
                    tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip and \
                    tls_client_auth_san_email"
            .into());
    }
    if settings.tls_client_certificate_bound_access_tokens && settings.dpop_bound_access_tokens {
        return Err(
            "tls_client_certificate_bound_access_tokens and dpop_bound_access_tokens: a token is bound to one thing"
                .into(),
        );
    }
    Ok(())
}
