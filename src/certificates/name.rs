//! Distinguished names: read from text (RFC 4514) or from a certificate, and compared as names rather than as text.
//!
//! Two names are the same if their relative names are, in the same order. Attributes are known by their OID, whatever a text calls
//! them; values are compared as characters, whatever string type a certificate has them in, without regard to the case of ASCII
//! letters and to repeated spaces (X.520, `caseIgnoreMatch`). Other characters are compared exactly, so that a name which only
//! looks alike is another one.

use std::fmt;

use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::x509::X509Name;

/// The longest text of a name, in bytes.
const LONGEST: usize = 1024;

/// How many characters of a name the log shows.
const LONGEST_SHOWN: usize = 300;

/// What attributes are called in texts (RFC 4514 §3), and further names in common use. The first name of an OID is the one shown.
const ATTRIBUTES: [(&str, &str); 24] = [
    ("CN", "2.5.4.3"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
    ("serialNumber", "2.5.4.5"),
    ("organizationIdentifier", "2.5.4.97"),
    ("businessCategory", "2.5.4.15"),
    ("jurisdictionCountryName", "1.3.6.1.4.1.311.60.2.1.3"),
    ("postalCode", "2.5.4.17"),
    ("SN", "2.5.4.4"),
    ("GN", "2.5.4.42"),
    ("title", "2.5.4.12"),
    ("commonName", "2.5.4.3"),
    ("organizationName", "2.5.4.10"),
    ("organizationalUnitName", "2.5.4.11"),
    ("countryName", "2.5.4.6"),
    ("E", "1.2.840.113549.1.9.1"),
    ("surname", "2.5.4.4"),
];

/// The value of an attribute.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    /// Of a type that is no string: its tag and its content.
    Other(u32, Vec<u8>),
}

impl Value {
    fn of(any: &Any<'_>) -> Self {
        let tag = any.tag().0;
        let text = match tag {
            // UTF8String, PrintableString, IA5String.
            12 | 19 | 22 => std::str::from_utf8(any.data).ok().map(str::to_owned),
            // BMPString, which is UTF-16.
            30 if any.data.len().is_multiple_of(2) => {
                let units = any.data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                char::decode_utf16(units).collect::<Result<String, _>>().ok()
            }
            _ => None,
        };
        text.map_or_else(|| Self::Other(tag, any.data.to_vec()), Self::Text)
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => folded(one) == folded(other),
            (Self::Other(tag, one), Self::Other(other_tag, other)) => tag == other_tag && one == other,
            _ => false,
        }
    }
}

/// The text by which values are compared.
fn folded(text: &str) -> String {
    text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

#[derive(Clone, Debug)]
struct Attribute {
    oid: String,
    value: Value,
}

/// A distinguished name, in the order of certificates: the most general relative name first.
#[derive(Clone, Debug)]
pub struct DistinguishedName(Vec<Vec<Attribute>>);

impl DistinguishedName {
    /// Reads a text (RFC 4514 §3). White space around `,`, `+` and `=` is left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() || text.len() > LONGEST {
            return Err(format!("it must have 1 to {LONGEST} bytes"));
        }
        let mut names = vec![Vec::new()];
        let mut rest = text;
        loop {
            let (kind, after) = rest.split_once('=').ok_or("it must have the form CN=…,O=…, as in RFC 4514")?;
            let oid = oid_of(kind.trim())?;
            let (value, separator, after) = read_value(after)?;
            if let Some(name) = names.last_mut() {
                name.push(Attribute { oid, value });
            }
            match separator {
                None => break,
                Some(',') => names.push(Vec::new()),
                Some(_) => {}
            }
            rest = after;
        }
        names.reverse();
        Ok(Self(names))
    }

    /// The name in a certificate.
    pub(super) fn of(name: &X509Name<'_>) -> Self {
        let attributes = |part: &x509_parser::x509::RelativeDistinguishedName<'_>| {
            let attribute = |one: &x509_parser::x509::AttributeTypeAndValue<'_>| Attribute {
                oid: one.attr_type().to_id_string(),
                value: Value::of(one.attr_value()),
            };
            part.iter().map(attribute).collect()
        };
        Self(name.iter_rdn().map(attributes).collect())
    }

    /// Its text for the log, cut off where it is too long for that.
    pub fn shown(&self) -> String {
        self.to_string().chars().take(LONGEST_SHOWN).collect()
    }

    /// Whether both are the same name.
    pub fn is_same(&self, other: &Self) -> bool {
        let is_same = |(one, other): (&Vec<Attribute>, &Vec<Attribute>)| are_same(one, other);
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }
}

/// Whether two relative names, which are sets, are the same.
fn are_same(one: &[Attribute], other: &[Attribute]) -> bool {
    let has = |set: &[Attribute], attribute: &Attribute| {
        set.iter().any(|own| own.oid == attribute.oid && own.value.is_same(&attribute.value))
    };
    one.len() == other.len()
        && one.iter().all(|attribute| has(other, attribute))
        && other.iter().all(|attribute| has(one, attribute))
}

fn oid_of(kind: &str) -> Result<String, String> {
    if let Some((_, oid)) = ATTRIBUTES.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind)) {
        return Ok((*oid).to_owned());
    }
    let is_number = |part: &str| {
        let is_canonical = part == "0" || !part.starts_with('0');
        !part.is_empty() && part.len() <= 20 && is_canonical && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if kind.contains('.') && kind.split('.').all(is_number) {
        return Ok(kind.to_owned());
    }
    Err(format!("{kind:?} is no attribute that is known here: write its OID, such as 2.5.4.3"))
}

/// Reads a value up to the separator behind it; what comes then.
fn read_value(text: &str) -> Result<(Value, Option<char>, &str), String> {
    let start = text.trim_start_matches(' ');
    let is_encoded = start.starts_with('#');
    let (mut bytes, mut kept, mut at) = (Vec::new(), 0, start.char_indices());
    let mut end = (start.len(), None);
    while let Some((index, character)) = at.next() {
        match character {
            ',' | '+' => {
                end = (index, Some(character));
                break;
            }
            '\\' if !is_encoded => {
                let mut next = || at.next().map(|(_, character)| character).ok_or("it ends within an escape");
                let first = next()?;
                match first {
                    ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' => bytes.push(first as u8),
                    first => {
                        let digits = [first, next()?].iter().collect::<String>();
                        let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| !digits.starts_with('+'));
                        bytes.push(byte.ok_or_else(|| format!("\\{digits} is no escape of RFC 4514"))?);
                    }
                }
                kept = bytes.len();
            }
            '"' | ';' | '<' | '>' | '\0' => {
                return Err(format!("{character:?} must be written with a backslash in front of it"));
            }
            character => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                if character != ' ' {
                    kept = bytes.len();
                }
            }
        }
    }
    // Spaces at the end that were not escaped.
    bytes.truncate(kept);
    if bytes.is_empty() {
        return Err("an attribute has no value".into());
    }
    let value = if is_encoded {
        let encoded = from_hex(&bytes[1..]).ok_or("what follows # must be hexadecimal")?;
        match Any::from_der(&encoded) {
            Ok(([], any)) => Value::of(&any),
            _ => return Err("what follows # must be a value in DER".into()),
        }
    } else {
        Value::Text(String::from_utf8(bytes).map_err(|_| "the escapes are no UTF-8")?)
    };
    let (index, separator) = end;
    Ok((value, separator, start.get(index + 1..).unwrap_or_default()))
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.chunks(2).map(|pair| match *pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

impl fmt::Display for DistinguishedName {
    /// As RFC 4514 §2 writes it, so that it can be registered as it is shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().rev().enumerate() {
            for (nested, attribute) in name.iter().enumerate() {
                let separator = match (index, nested) {
                    (0, 0) => "",
                    (_, 0) => ",",
                    _ => "+",
                };
                let known = ATTRIBUTES.iter().find(|(_, oid)| *oid == attribute.oid);
                let kind = known.map_or(attribute.oid.as_str(), |(name, _)| name);
                write!(formatter, "{separator}{kind}=")?;
                write_value(formatter, &attribute.value)?;
            }
        }
        Ok(())
    }
}

fn write_value(formatter: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    let text = match value {
        Value::Text(text) => text,
        Value::Other(tag, content) => {
            // Its DER, as far as that is short enough to be of use to a reader.
            write!(formatter, "#{tag:02x}{:02x}", content.len())?;
            return content.iter().take(64).try_for_each(|byte| write!(formatter, "{byte:02x}"));
        }
    };
    let last = text.chars().count().saturating_sub(1);
    for (index, character) in text.chars().enumerate() {
        let is_outer_space = character == ' ' && (index == 0 || index == last);
        if character.is_control() {
            let mut bytes = [0; 4];
            character.encode_utf8(&mut bytes).bytes().try_for_each(|byte| write!(formatter, "\\{byte:02X}"))?;
        } else if matches!(character, '"' | '+' | ',' | ';' | '<' | '=' | '>' | '\\')
            || is_outer_space
            || (character == '#' && index == 0)
        {
            write!(formatter, "\\{character}")?;
        } else {
            write!(formatter, "{character}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    #[test]
    fn mtl_003_a_name_is_the_same_in_each_text_of_it() {
        let one = name("CN=Billing\\, nightly,OU=Jobs+L=Lyon,O=Example,C=FR");
        for other in [
            "cn=Billing\\, nightly, ou=Jobs + l=Lyon, o=Example, c=FR",
            "2.5.4.3=Billing\\2C nightly,L=Lyon+OU=Jobs,O=Example,C=FR",
            "commonName = billing\\,  NIGHTLY ,OU=jobs+L=LYON,O=example,C=fr",
            "CN=#0c1042696c6c696e672c206e696768746c79,OU=Jobs+L=Lyon,O=#13074578616d706c65,C=FR",
        ] {
            assert!(name(other).is_same(&one), "{other}");
        }
        assert!(name("CN=#1e0400410042").is_same(&name("CN=ab")), "UTF-16");
        assert!(name("CN=\\C3\\A9t\\c3\\a9").is_same(&name("CN=été")));
    }

    #[test]
    fn another_name_is_not_taken_for_it() {
        let one = name("CN=worker,O=Example,C=FR");
        for other in [
            "CN=worker,O=Example",
            "CN=worker,C=FR,O=Example",
            "C=FR,O=Example,CN=worker",
            "CN=worker,O=Example,C=FR,DC=x",
            "CN=worker+O=Example,C=FR",
            "CN=worker\\,O=Example,C=FR",
            "CN=worker\\,O\\=Example\\,C\\=FR",
            "CN=wоrker,O=Example,C=FR",
            "CN=worker\\00,O=Example,C=FR",
            "CN=work er,O=Example,C=FR",
            "UID=worker,O=Example,C=FR",
            "CN=worker,CN=worker,O=Example,C=FR",
            "CN=worker+CN=worker,O=Example,C=FR",
            "CN=#0406776f726b6572,O=Example,C=FR",
        ] {
            assert!(!name(other).is_same(&one), "{other}");
        }
        assert!(!name("CN=a+CN=b").is_same(&name("CN=a+CN=a")));
        assert!(!name("CN=É").is_same(&name("CN=é")), "only ASCII letters are folded");
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        for (text, expected) in [
            ("", "1 to 1024 bytes"),
            (" ", "1 to 1024 bytes"),
            ("worker", "the form CN="),
            ("CN=a,", "the form CN="),
            ("CN=a,,O=b", "no attribute"),
            ("CN=", "no value"),
            ("CN= ,O=b", "no value"),
            ("=a", "no attribute"),
            ("XY=a", "no attribute"),
            ("2.5.04.3=a", "no attribute"),
            ("2..5=a", "no attribute"),
            ("CN=\"a\"", "backslash"),
            ("CN=a;O=b", "backslash"),
            ("CN=<a>", "backslash"),
            ("CN=a\\", "ends within an escape"),
            ("CN=a\\2", "ends within an escape"),
            ("CN=a\\zz", "no escape"),
            ("CN=a\\+", "+"),
            ("CN=\\ff", "no UTF-8"),
            ("CN=#0", "hexadecimal"),
            ("CN=#0c", "DER"),
            ("CN=#0c0161ff", "DER"),
            ("CN=#xyz0", "hexadecimal"),
            ("/C=FR/CN=worker", "no attribute"),
        ] {
            let found = DistinguishedName::parse(text).err();
            if text == "CN=a\\+" {
                assert_eq!(found, None, "a plus sign may be escaped");
                continue;
            }
            assert!(found.as_ref().is_some_and(|found| found.contains(expected)), "{text}: {found:?}");
        }
        assert!(DistinguishedName::parse(&format!("CN={}", "x".repeat(LONGEST))).is_err());
    }

    #[test]
    fn a_name_is_shown_so_that_it_can_be_registered() {
        for text in [
            "CN=worker,O=Example,C=FR",
            "CN=a\\,b\\+c\\=d\\\\e\\;f",
            "CN=\\ a\\ ,OU=x+L=y",
            "CN=\\#1",
            "1.2.3.4=x",
            "CN=a\\0Ab",
            "CN=été",
        ] {
            let shown = name(text).to_string();
            assert_eq!(shown, text);
            assert!(name(&shown).is_same(&name(text)));
        }
        assert_eq!(name("CN=#0403010203").to_string(), "CN=#0403010203");
    }
}
