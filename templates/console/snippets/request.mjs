// Save it as snippet.mjs.
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
