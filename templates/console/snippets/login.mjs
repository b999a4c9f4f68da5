// Save it as snippet.mjs.
import { createHash, randomBytes } from "node:crypto";
@if listen
import { once } from "node:events";
import { createServer } from "node:http";
@end
@if paste
import { createInterface } from "node:readline";
@end

@if listen
const server = createServer((request, response) => {
  response.setHeader("connection", "close").end("You can close this window.");
});
await once(server.listen(0, "127.0.0.1"), "listening");
const redirectUri = @redirect_origin@ + `:${server.address().port}` + @redirect_path@;
@end
@if paste
const redirectUri = @redirect_uri@;
@end
const state = randomBytes(16).toString("base64url");
const verifier = randomBytes(32).toString("base64url");
const challenge = createHash("sha256").update(verifier).digest("base64url");
console.log("Open this address in a browser, and log in:");
console.log(`${@authorization_endpoint@}?${new URLSearchParams({
  @question@
})}`);
@if listen
const [request] = await once(server, "request");
server.close();
const parameters = new URL(request.url, redirectUri).searchParams;
@end
@if paste
console.log("Paste the address to which the browser was sent, whatever it shows:");
const lines = createInterface({ input: process.stdin });
const address = await new Promise((resolve) => lines.once("line", resolve));
lines.close();
const parameters = new URL(address).searchParams;
@end
if (parameters.get("state") !== state || parameters.get("iss") !== @issuer@) {
  throw new Error("This is no answer to this login.");
}
const code = parameters.get("code");
if (!code) throw new Error(`${parameters.get("error")}: ${parameters.get("error_description")}`);

const answer = await fetch(@url@, {
  method: "POST",
  body: new URLSearchParams({
    @fields@
  }),
});
if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
const { access_token: token } = await answer.json();
const response = await fetch(@api@, { headers: { authorization: `Bearer ${token}` } });
console.log(response.status, await response.text());
