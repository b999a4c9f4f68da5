//! Advice about the proof that the holder of a bound token has to give.

use crate::diagnosis::words::advice::Advice;
use crate::diagnosis::words::commands::{CLAIMS, CLOCK, DOCTOR, METADATA, VERIFY};

pub(super) const PROOF_MISSING: Advice = Advice {
    meaning: "The token is bound to a key or a certificate (`cnf`), so that nobody else can use it. The request did not show that \
              its sender holds that: it came with the scheme `Bearer`, without a `DPoP` header or without a certificate, or the \
              proof could not be checked.",
    see: "The token has `cnf`: `jkt` names a key, `x5t#S256` a certificate. The challenge has the scheme `DPoP`.",
    client: "Send `Authorization: DPoP TOKEN`, and with each request a new proof in the header `DPoP` (RFC 9449 §7.1). A library \
             that knows DPoP does both. A token with `x5t#S256` needs the certificate with which it was got.",
    resource_server: "Never accept a bound token without its proof. If you introspect it, check the proof yourself, or let \
                      `/auth/verify` do it.",
    administrator: "Behind a proxy, Jeton has to know which request is meant: list the proxy in `JETON_TRUSTED_PROXIES`, and have \
                    it pass on `DPoP`, the method and the whole address, as in `examples/proxies`.",
    commands: &[CLAIMS, VERIFY],
};

pub(super) const PROOF_INVALID: Advice = Advice {
    meaning: "The DPoP proof that came with the token breaks a rule: it is about another request or another token, too old or \
              from the future, was used before, lacks a claim, or is not signed with the key that it carries.",
    see: "The `error_description` says which rule, such as by how much a clock is off or which part of `htu` differs. The log and \
          `jeton_dpop_proofs_refused_total` name it too.",
    client: "Make a new proof for each request: `htm` and `htu` are its method and its address without the query, `ath` is the \
             hash of the token, `iat` is now. If the error is `use_dpop_nonce`, repeat it with the nonce in `DPoP-Nonce`.",
    resource_server: "Answer 401 `invalid_dpop_proof`. Behind several proxies, compare `htu` with the address that clients use.",
    administrator: "If many proofs are too old, a clock is wrong. If many have another address, a proxy does not pass on host, \
                    scheme or path.",
    commands: &[CLOCK, DOCTOR, METADATA],
};

pub(super) const PROOF_KEY_MISMATCH: Advice = Advice {
    meaning: "The sender proved to hold a key or a certificate, but the token is bound to another one, or to none. Somebody else's \
              token was sent, or the client has changed its key.",
    see: "Compare `cnf` of the token with the thumbprint of the key in the proof (RFC 7638), or with the hash of the certificate.",
    client: "Use the key with which you asked for the token, or get a new token. Send a token without `cnf` as `Bearer`.",
    resource_server: "Answer 401 `invalid_token`.",
    administrator: "If it was not a change of keys, the token was stolen: revoke it.",
    commands: &[CLAIMS, "printf %s \"$TOKEN\" | jeton revoke --token -"],
};
