@if encode
encode() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n' | sed 's/../%&/g'; }
@end
REDIRECT_URI=@redirect_uri@
STATE=$(openssl rand -hex 16)
VERIFIER=$(openssl rand -hex 32)
CHALLENGE=$(printf %s "$VERIFIER" | openssl dgst -sha256 -binary | openssl base64 -A | tr '+/' '-_' | tr -d '=')
echo 'Open this address in a browser, and log in:'
printf '%s\n' @authorize@"&state=$STATE&code_challenge=$CHALLENGE"
echo 'Paste the address to which the browser was sent, whatever it shows:'
read -r ADDRESS
CODE=
case ${ADDRESS%%#*}'&' in
  *[?\&]iss=@encoded_issuer@'&'*)
    case ${ADDRESS%%#*}'&' in
      *[?\&]state="$STATE&"*) CODE=$(printf %s "$ADDRESS" | sed -n 's/.*[?&]code=\([^&#]*\).*/\1/p') ;;
    esac ;;
esac
ANSWER='This is no answer to this login, or it is an error.'
if [ -n "$CODE" ]; then
  ANSWER=$(@stdin@curl -sS @url@ \
    @fields@)
fi
TOKEN=$(printf %s "$ANSWER" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
if [ -n "$TOKEN" ]; then
  printf 'Authorization: Bearer %s' "$TOKEN" | curl -sS -i -H @- @api@
else
  printf '%s\n' "$ANSWER" >&2
  false
fi
