@if encode
encode() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n' | sed 's/../%&/g'; }
@end
ANSWER=$(@stdin@curl -sS @url@ \
  @fields@)
@if token
TOKEN=$(printf %s "$ANSWER" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
if [ -n "$TOKEN" ]; then
  printf 'Authorization: Bearer %s' "$TOKEN" | curl -sS -i -H @- @api@
else
  printf '%s\n' "$ANSWER" >&2
  false
fi
@end
@if answer
printf '%s\n' "$ANSWER"
@end
