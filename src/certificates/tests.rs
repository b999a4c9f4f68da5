use rcgen::{
    BasicConstraints, CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, date_time_ymd,
};
use serde_json::json;

use super::*;
use crate::protocol::client::ClientSettings;

/// In the middle of the life of the certificates.
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A certificate for CN=worker, O=Example, with further settings.
fn params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, "worker");
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    change(&mut params);
    params
}

struct Authority {
    pem: String,
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        Self::made(params(|params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }))
    }

    fn made(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
    }

    /// An authority below this one.
    fn below(&self, name: &str, constraint: BasicConstraints) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = params(|params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(constraint);
        });
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self { pem: certificate.pem(), der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
    }

    fn issue(&self, params: CertificateParams, chain: &[&Self]) -> Certificate {
        let certificate = params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap();
        Certificate::read(certificate.der(), chain.iter().map(|one| one.der.clone()).collect()).unwrap()
    }

    fn trusted(&self) -> ClientAuthorities {
        ClientAuthorities::in_pem(self.pem.as_bytes()).unwrap()
    }
}

fn self_signed(params: CertificateParams) -> Certificate {
    Certificate::read(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der(), Vec::new()).unwrap()
}

#[test]
fn mtl_001_mtl_002_only_a_certificate_of_the_authority_that_is_valid_now_and_for_clients_is_accepted() {
    let authority = Authority::new("authority");
    let trusted = authority.trusted();
    let problem = |certificate: &Certificate| trusted.check(certificate, NOW).err();
    let usages = |usages: &[ExtendedKeyUsagePurpose]| params(|params| params.extended_key_usages = usages.to_vec());
    let signing = |usage: KeyUsagePurpose| params(|params| params.key_usages = vec![usage]);
    for good in [
        params(|_| {}),
        usages(&[ExtendedKeyUsagePurpose::ClientAuth]),
        usages(&[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]),
        signing(KeyUsagePurpose::DigitalSignature),
    ] {
        assert_eq!(problem(&authority.issue(good, &[])), None);
    }
    for (what, certificate) in [
        ("of a server", authority.issue(usages(&[ExtendedKeyUsagePurpose::ServerAuth]), &[])),
        ("for encipherment", authority.issue(signing(KeyUsagePurpose::KeyEncipherment), &[])),
        ("expired", authority.issue(params(|params| params.not_after = date_time_ymd(2026, 1, 1)), &[])),
        ("of the future", authority.issue(params(|params| params.not_before = date_time_ymd(2030, 1, 1)), &[])),
        ("of another authority", Authority::new("other").issue(params(|_| {}), &[])),
        ("of another authority of this name", Authority::new("authority").issue(params(|_| {}), &[])),
        ("self-signed", self_signed(params(|_| {}))),
        (
            "an authority",
            authority.issue(params(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), &[]),
        ),
    ] {
        assert!(problem(&certificate).is_some(), "{what}");
    }
    assert!(trusted.check(&authority.issue(params(|_| {}), &[]), Timestamp::from_seconds(0)).is_err());
}

#[test]
fn a_chain_leads_to_the_authority_through_those_that_may_issue() {
    let root = Authority::new("root");
    let trusted = root.trusted();
    let below = root.below("below", BasicConstraints::Constrained(0));
    let lowest = below.below("lowest", BasicConstraints::Unconstrained);
    assert!(trusted.check(&below.issue(params(|_| {}), &[&below]), NOW).is_ok());
    assert!(trusted.check(&below.issue(params(|_| {}), &[]), NOW).is_err(), "the one between is missing");
    assert!(trusted.check(&lowest.issue(params(|_| {}), &[&lowest, &below]), NOW).is_err(), "the path is too long");
    // A client cannot issue certificates for others with its own.
    let key = KeyPair::generate().unwrap();
    let own = params(|_| {});
    let client = own.signed_by(&key, &root.issuer).unwrap();
    let forged = params(|_| {}).signed_by(&KeyPair::generate().unwrap(), &Issuer::new(own, key)).unwrap();
    let forged = Certificate::read(forged.der(), vec![client.der().to_vec()]).unwrap();
    assert!(trusted.check(&forged, NOW).is_err());
}

#[test]
fn a_file_of_authorities_has_authorities_only() {
    let authority = Authority::new("authority");
    let problem = |pem: &str| ClientAuthorities::in_pem(pem.as_bytes()).err();
    assert_eq!(problem(&format!("# ours\n{}{}", authority.pem, Authority::new("second").pem)), None);
    let leaf = params(|_| {}).signed_by(&KeyPair::generate().unwrap(), &authority.issuer).unwrap();
    let no_issuer = Authority::made(params(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    }));
    for (pem, expected) in [
        (String::new(), "no certificate"),
        ("nothing".into(), "no certificate"),
        (leaf.pem(), "no authority"),
        (format!("{}{}", authority.pem, leaf.pem()), "no authority"),
        (no_issuer.pem, "no authority"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(), "cannot be read"),
    ] {
        let found = problem(&pem);
        assert!(found.as_ref().is_some_and(|found| found.contains(expected)), "{pem}: {found:?}");
    }
}

fn expected(member: &str, text: &str) -> Result<ExpectedSubject, String> {
    let settings = json!({member: text});
    let settings: ClientSettings = serde_json::from_value(settings).unwrap();
    ExpectedSubject::of(&settings).map(Option::unwrap)
}

#[test]
fn mtl_003_the_subject_is_compared_as_a_name() {
    let certificate = self_signed(params(|params| {
        params.distinguished_name.push(DnType::CountryName, DnValue::PrintableString("FR".try_into().unwrap()));
        params.distinguished_name.push(DnType::OrganizationalUnitName, DnValue::BmpString("Jobs".try_into().unwrap()));
    }));
    // In the certificate: O, CN, C, OU.
    assert_eq!(certificate.subject().to_string(), "OU=Jobs,C=FR,CN=worker,O=Example");
    for text in ["OU=Jobs,C=FR,CN=worker,O=Example", "ou=jobs, c=fr, 2.5.4.3=Worker, o=#0c074578616d706c65"] {
        assert_eq!(expected("tls_client_auth_subject_dn", text).unwrap().check(&certificate), Ok(()), "{text}");
    }
    for text in
        ["O=Example,CN=worker,C=FR,OU=Jobs", "CN=worker,O=Example", "CN=worker", "OU=Jobs,C=FR,CN=worker2,O=Example"]
    {
        let problem = expected("tls_client_auth_subject_dn", text).unwrap().check(&certificate).unwrap_err();
        assert!(problem.contains("OU=Jobs,C=FR,CN=worker,O=Example"), "{problem}");
    }
    // A name that seems to have the attributes of another.
    let forged = self_signed(params(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "worker,O=Example");
    }));
    assert!(expected("tls_client_auth_subject_dn", "CN=worker,O=Example").unwrap().check(&forged).is_err());
}

#[test]
fn mtl_003_each_alternative_name_is_compared_with_those_of_its_kind_only() {
    let certificate = self_signed(params(|params| {
        params.subject_alt_names = vec![
            SanType::DnsName("*.wild.example".try_into().unwrap()),
            SanType::DnsName("Worker.Example".try_into().unwrap()),
            SanType::URI("spiffe://example/Worker".try_into().unwrap()),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
            SanType::Rfc822Name("Worker@Mail.Example".try_into().unwrap()),
        ];
    }));
    for (member, text, is_there) in [
        ("san_dns", "worker.example", true),
        ("san_dns", "other.example", false),
        ("san_dns", "a.wild.example", false),
        ("san_dns", "wild.example", false),
        ("san_dns", "a.worker.example", false),
        ("san_dns", "192.0.2.7", false),
        ("san_dns", "worker", false),
        ("san_uri", "spiffe://example/Worker", true),
        ("san_uri", "spiffe://example/worker", false),
        ("san_uri", "spiffe://example/Worker/", false),
        ("san_ip", "192.0.2.7", true),
        ("san_ip", "2001:0db8:0:0::7", true),
        ("san_ip", "192.0.2.8", false),
        ("san_ip", "::ffff:192.0.2.7", false),
        ("san_email", "Worker@mail.example", true),
        ("san_email", "worker@mail.example", false),
    ] {
        let found = expected(&format!("tls_client_auth_{member}"), text).unwrap().check(&certificate);
        assert_eq!(found.is_ok(), is_there, "{member} {text}: {found:?}");
    }
}

#[test]
fn mtl_003_a_client_has_exactly_one_name() {
    let problem = |members: Value| {
        let settings: ClientSettings = serde_json::from_value(members).unwrap();
        check_settings(&settings).err().unwrap_or_default()
    };
    let method = "tls_client_auth";
    for members in [
        json!({}),
        json!({"tls_client_auth_san_dns": "a.example"}),
        json!({"token_endpoint_auth_method": method, "tls_client_auth_subject_dn": "CN=a"}),
        json!({"token_endpoint_auth_method": method, "tls_client_auth_san_ip": "::1"}),
        json!({"token_endpoint_auth_method": "self_signed_tls_client_auth"}),
    ] {
        assert_eq!(problem(members.clone()), "", "{members}");
    }
    let two = json!({"tls_client_auth_san_dns": "a.example", "tls_client_auth_san_uri": "https://a.example"});
    for (members, expected) in [
        (json!({"token_endpoint_auth_method": method}), "tls_client_auth needs one of"),
        (two, "tls_client_auth_san_dns and tls_client_auth_san_uri: a client has exactly one"),
        (json!({"tls_client_auth_subject_dn": "worker"}), "tls_client_auth_subject_dn: "),
        (json!({"tls_client_auth_subject_dn": ""}), "1 to 1024 bytes"),
        (json!({"tls_client_auth_san_dns": "*.example"}), "wildcards"),
        (json!({"tls_client_auth_san_dns": "a..example"}), "wildcards"),
        (json!({"tls_client_auth_san_dns": "a example"}), "visible ASCII"),
        (json!({"tls_client_auth_san_dns": "é.example"}), "visible ASCII"),
        (json!({"tls_client_auth_san_uri": "worker"}), "absolute URI"),
        (json!({"tls_client_auth_san_ip": "192.0.2"}), "an address"),
        (json!({"tls_client_auth_san_ip": "192.0.2.0/24"}), "an address"),
        (json!({"tls_client_auth_san_email": "worker"}), "email"),
        (json!({"tls_client_auth_san_email": "x".repeat(1025)}), "1 to 1024 bytes"),
    ] {
        let found = problem(members.clone());
        assert!(found.contains(expected), "{members}: {found}");
    }
}

#[test]
fn mtl_004_the_key_of_a_certificate_is_the_one_that_is_registered() {
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519, &rcgen::PKCS_RSA_SHA256] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let der = params(|_| {}).self_signed(&key).unwrap().der().to_vec();
        let certificate = Certificate::read(&der, Vec::new()).unwrap();
        let info = key.subject_public_key_info();
        let (_, info) = SubjectPublicKeyInfo::from_der(&info).unwrap();
        let jwk = key_of(&info).unwrap();
        assert_eq!(certificate.key(), Some(&jwk.thumbprint()));
        let with = |x5c: Value| {
            let mut jwk = serde_json::to_value(&jwk).unwrap();
            jwk["x5c"] = x5c;
            check_key_set(json!({"keys": [jwk]}).as_object().unwrap()).err().unwrap_or_default()
        };
        assert_eq!(with(json!([STANDARD.encode(&der)])), "");
        let other = params(|_| {}).self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        for (x5c, expected) in [
            (json!([STANDARD.encode(&other), STANDARD.encode(&der)]), "another key"),
            (json!([]), "empty"),
            (json!("x"), "no list"),
            (json!([1]), "no list"),
            (json!(["!"]), "base64"),
            (json!(["AAAA"]), "no X.509 certificate"),
        ] {
            let found = with(x5c);
            assert!(found.starts_with("keys[0]: x5c: ") && found.contains(expected), "{found}");
        }
    }
    // Keys that clients cannot register match none.
    let certificate =
        params(|_| {}).self_signed(&KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap()).unwrap();
    assert_eq!(Certificate::read(certificate.der(), Vec::new()).unwrap().key(), None);
}

#[test]
fn mtl_005_the_thumbprint_is_that_of_the_der() {
    let der = params(|_| {}).self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let certificate = Certificate::read(&der, Vec::new()).unwrap();
    assert_eq!(*certificate.thumbprint(), sha256(&der));
    assert_eq!(base64url(certificate.thumbprint()).len(), 43);
}

#[test]
fn what_is_no_certificate_or_too_much_is_refused() {
    let der = params(|_| {}).self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let read = |der: &[u8], chain: usize| Certificate::read(der, vec![der.to_vec(); chain]).is_ok();
    assert!(read(&der, 0) && read(&der, LONGEST_CHAIN));
    assert!(!read(&der, LONGEST_CHAIN + 1));
    assert!(!read(&[&der[..], &[0]].concat(), 0), "something comes behind it");
    assert!((0..der.len()).all(|length| !read(&der[..length], 0)));
    assert!(Certificate::read(&der, vec![vec![0; LARGEST + 1]]).is_err());
    let huge = params(|params| {
        params.subject_alt_names = vec![SanType::URI(format!("https://{}", "x".repeat(LARGEST)).try_into().unwrap())];
    });
    let huge = huge.self_signed(&KeyPair::generate().unwrap()).unwrap();
    assert!(!read(huge.der(), 0));
}

#[test]
fn mtl_009_a_header_has_one_certificate_between_colons() {
    let der = params(|_| {}).self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let encoded = STANDARD.encode(&der);
    let good = format!(":{encoded}:");
    let read = |values: &[&str], chain: &[&str]| {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        let chain: Vec<&[u8]> = chain.iter().map(|value| value.as_bytes()).collect();
        in_headers(&values, &chain)
    };
    assert!(matches!(read(&[], &[]), Ok(None)));
    assert!(matches!(read(&[], &[&good]), Ok(None)));
    assert!(matches!(read(&[" "], &[""]), Ok(None)));
    for value in [good.clone(), format!("  {good}\t"), format!(":{}:", encoded.trim_end_matches('='))] {
        let Ok(Some(certificate)) = read(&[&value], &[]) else { panic!("{value}") };
        assert_eq!(*certificate.thumbprint(), sha256(&der));
    }
    assert_eq!(read(&[&good], &[&format!("{good}, {good}"), &good]).unwrap().unwrap().chain.len(), 3);
    for wrong in [
        ":".into(),
        "::".into(),
        encoded.clone(),
        format!(":{encoded}"),
        format!("\"{encoded}\""),
        format!("{good};a=1"),
        format!("{good}, {good}"),
        format!(":{}:", base64url([0xFB, 0xFF])),
        ":AAAA:".into(),
        "-----BEGIN%20CERTIFICATE-----".into(),
        format!(":{}:", "A".repeat(LARGEST * 2 + 4)),
    ] {
        assert!(read(&[&wrong], &[]).is_err(), "{wrong:.80}");
    }
    assert!(read(&[&good, &good], &[]).is_err(), "two of them");
    assert!(read(&[&good], &[&[good.as_str(); LONGEST_CHAIN + 1].join(",")]).is_err());
    assert!(read(&[&good], &["x"]).is_err());
}
