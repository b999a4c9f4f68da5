//! The certificate of a client as a proxy passes it on (RFC 9440): `Client-Cert`, and the certificates that came with it in
//! `Client-Cert-Chain`. Whether the proxy is believed is not judged here.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::certificates::{Certificate, LARGEST, LONGEST_CHAIN};

/// The header with the certificate (RFC 9440 §2.2).
pub const HEADER: &str = "client-cert";
/// The header with those that came with it (RFC 9440 §2.3).
pub const CHAIN_HEADER: &str = "client-cert-chain";

/// Padding may be missing (RFC 8941 §4.2.7).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The certificate in the values of these headers; `None` if there is none.
///
/// # Errors
/// What is wrong with them. A certificate that cannot be read is not the same as none: it is most likely written in another form.
pub fn in_headers(certificate: &[&[u8]], chain: &[&[u8]]) -> Result<Option<Certificate>, String> {
    let der = match certificate {
        [] => return Ok(None),
        // Some proxies cannot leave it out.
        [value] if value.trim_ascii().is_empty() => return Ok(None),
        [value] => byte_sequence(value)?,
        _ => return Err("it is there more than once".into()),
    };
    let mut others = Vec::new();
    let chain = chain.iter().filter(|value| !value.trim_ascii().is_empty());
    for member in chain.flat_map(|value| value.split(|byte| *byte == b',')) {
        if others.len() == LONGEST_CHAIN {
            return Err(format!("more than {LONGEST_CHAIN} certificates came with it"));
        }
        others.push(byte_sequence(member)?);
    }
    Certificate::read(&der, others).map(Some)
}

/// Reads a byte sequence (RFC 8941 §3.3.5): base64 between colons.
fn byte_sequence(value: &[u8]) -> Result<Vec<u8>, String> {
    let wrong = "it is not base64 of DER between colons (RFC 9440)";
    let encoded = value.trim_ascii().strip_prefix(b":").and_then(|rest| rest.strip_suffix(b":"));
    let encoded = encoded.filter(|encoded| !encoded.is_empty()).ok_or(wrong)?;
    if encoded.len() > LARGEST * 2 {
        return Err(format!("a certificate has more than {LARGEST} bytes"));
    }
    BASE64.decode(encoded).map_err(|_| wrong.to_owned())
}
