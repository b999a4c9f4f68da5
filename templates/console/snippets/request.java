// Save it as Snippet.java.
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
@if key
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.Signature;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.Base64;
@end
import java.util.StringJoiner;
@if key
import java.util.UUID;
@end
@if token
import java.util.regex.Pattern;
@end

public class Snippet {
@if key
    static String part(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    static String text(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }

    // An assertion, which counts once (RFC 7523): signed by the key whose public half is registered.
    static String sign(String clientId, String issuer) throws Exception {
        var pem = Files.readString(Path.of(System.getenv("PRIVATE_KEY_FILE"))).replaceAll("-----[^-]*-----|\\s", "");
        var spec = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem));
        var now = Instant.now().getEpochSecond();
        var claims = "{\"iss\":" + text(clientId) + ",\"sub\":" + text(clientId) + ",\"aud\":" + text(issuer)
            + ",\"jti\":" + text(UUID.randomUUID().toString()) + ",\"iat\":" + now + ",\"exp\":" + (now + 60) + "}";
        String[][] kinds = {
            {"EC", "SHA256withECDSAinP1363Format", "ES256"},
            {"Ed25519", "Ed25519", "EdDSA"},
            {"RSA", "SHA256withRSA", "RS256"},
        };
        for (var kind : kinds) {
            try {
                var signer = Signature.getInstance(kind[1]);
                signer.initSign(KeyFactory.getInstance(kind[0]).generatePrivate(spec));
                var header = "{\"alg\":" + text(kind[2]) + "}";
                var signed = part(header.getBytes(StandardCharsets.UTF_8)) + "." + part(claims.getBytes(StandardCharsets.UTF_8));
                signer.update(signed.getBytes(StandardCharsets.UTF_8));
                return signed + "." + part(signer.sign());
            } catch (InvalidKeySpecException other) {
                // A key of another kind.
            }
        }
        throw new IllegalArgumentException("the key is of no kind that can sign");
    }

@end
    public static void main(String[] arguments) throws Exception {
@if key
        var assertion = sign(@client_id@, @issuer@);
@end
        String[][] fields = {
            @fields@
        };
        var form = new StringJoiner("&");
        for (var field : fields) {
            form.add(field[0] + "=" + URLEncoder.encode(field[1], StandardCharsets.UTF_8));
        }
        var http = HttpClient.newHttpClient();
        var request = HttpRequest.newBuilder(URI.create(@url@))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString(form.toString()));
        var answer = http.send(request.build(), BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IllegalStateException(answer.statusCode() + " " + answer.body());
        }
@if token
        // Without a library for JSON; a program uses one.
        var token = Pattern.compile("\"access_token\":\"([^\"]+)\"").matcher(answer.body());
        if (!token.find()) {
            throw new IllegalStateException(answer.body());
        }
        var call = HttpRequest.newBuilder(URI.create(@api@)).header("Authorization", "Bearer " + token.group(1));
        var response = http.send(call.build(), BodyHandlers.ofString());
        System.out.println(response.statusCode() + " " + response.body());
@end
@if answer
        System.out.println(answer.body());
@end
    }
}
