<?php
function ask(string $url, array $http): string {
    $answer = file_get_contents($url, false, stream_context_create(['http' => $http + ['ignore_errors' => true]]));
    if ($answer === false || !str_contains($http_response_header[0], ' 200')) {
        fwrite(STDERR, ($http_response_header[0] ?? 'no answer') . " $answer\n");
        exit(1);
    }
    return $answer;
}

function base64url(string $bytes): string {
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

@if listen
$server = stream_socket_server('tcp://127.0.0.1:0');
$redirect_uri = @redirect_origin@ . strrchr(stream_socket_get_name($server, false), ':') . @redirect_path@;
@end
@if paste
$redirect_uri = @redirect_uri@;
@end
$state = base64url(random_bytes(16));
$verifier = base64url(random_bytes(32));
$challenge = base64url(hash('sha256', $verifier, true));
echo "Open this address in a browser, and log in:\n";
echo @authorization_endpoint@, '?', http_build_query([
    @question@
]), "\n";
@if listen
$connection = stream_socket_accept($server, 600);
$address = explode(' ', fgets($connection))[1];
while (trim(fgets($connection)) !== '') {
}
fwrite($connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nYou can close this window.");
fclose($connection);
@end
@if paste
echo "Paste the address to which the browser was sent, whatever it shows:\n";
$address = trim(fgets(STDIN));
@end
parse_str(parse_url($address, PHP_URL_QUERY) ?? '', $parameters);
if (($parameters['state'] ?? '') !== $state || ($parameters['iss'] ?? '') !== @issuer@) {
    fwrite(STDERR, "This is no answer to this login.\n");
    exit(1);
}
if (!isset($parameters['code'])) {
    fwrite(STDERR, "{$parameters['error']}: " . ($parameters['error_description'] ?? '') . "\n");
    exit(1);
}
$code = $parameters['code'];

$answer = ask(@url@, [
    'method' => 'POST',
    'header' => 'Content-Type: application/x-www-form-urlencoded',
    'content' => http_build_query([
        @fields@
    ]),
]);
$token = json_decode($answer, true)['access_token'];
echo '200 ', ask(@api@, ['header' => "Authorization: Bearer $token"]), "\n";
