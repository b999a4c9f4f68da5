// Save it as snippet.mjs.
@if key
import { createPrivateKey, randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";

// An assertion, which counts once (RFC 7523): signed by the key whose public half is registered.
const key = createPrivateKey(readFileSync(process.env.PRIVATE_KEY_FILE));
const algorithm = { ec: "ES256", ed25519: "EdDSA", rsa: "RS256" }[key.asymmetricKeyType];
const now = Math.floor(Date.now() / 1000);
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const [iss, aud] = [@client_id@, @issuer@];
const claims = { iss, sub: iss, aud, jti: randomUUID(), iat: now, exp: now + 60 };
const signed = `${part({ alg: algorithm })}.${part(claims)}`;
const hash = algorithm === "EdDSA" ? null : "sha256";
const signature = sign(hash, Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
const assertion = `${signed}.${signature.toString("base64url")}`;

@end
const answer = await fetch(@url@, {
  method: "POST",
  body: new URLSearchParams({
    @fields@
  }),
});
if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
@if token
const { access_token: token } = await answer.json();
const response = await fetch(@api@, { headers: { authorization: `Bearer ${token}` } });
console.log(response.status, await response.text());
@end
@if answer
console.log(await answer.json());
@end
