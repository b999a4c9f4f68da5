// Save it as Snippet.java.
@if listen
import com.sun.net.httpserver.HttpServer;
@end
@if paste
import java.io.BufferedReader;
import java.io.InputStreamReader;
@end
@if listen
import java.net.InetSocketAddress;
@end
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.HashMap;
import java.util.StringJoiner;
@if listen
import java.util.concurrent.LinkedBlockingQueue;
@end
import java.util.regex.Pattern;

public class Snippet {
    static String random(int length) {
        var bytes = new byte[length];
        new SecureRandom().nextBytes(bytes);
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    static String form(String[][] fields) {
        var form = new StringJoiner("&");
        for (var field : fields) {
            form.add(field[0] + "=" + URLEncoder.encode(field[1], StandardCharsets.UTF_8));
        }
        return form.toString();
    }

    public static void main(String[] arguments) throws Exception {
@if listen
        var queries = new LinkedBlockingQueue<String>();
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            var text = "You can close this window.".getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, text.length);
            exchange.getResponseBody().write(text);
            exchange.close();
            queries.add(String.valueOf(exchange.getRequestURI().getRawQuery()));
        });
        server.start();
        var redirectUri = @redirect_origin@ + ":" + server.getAddress().getPort() + @redirect_path@;
@end
@if paste
        var redirectUri = @redirect_uri@;
@end
        String state = random(16), verifier = random(32);
        var hash = MessageDigest.getInstance("SHA-256").digest(verifier.getBytes(StandardCharsets.US_ASCII));
        var challenge = Base64.getUrlEncoder().withoutPadding().encodeToString(hash);
        String[][] question = {
            @question@
        };
        System.out.println("Open this address in a browser, and log in:");
        System.out.println(@authorization_endpoint@ + "?" + form(question));
@if listen
        var query = queries.take();
        server.stop(0);
@end
@if paste
        System.out.println("Paste the address to which the browser was sent, whatever it shows:");
        var query = new BufferedReader(new InputStreamReader(System.in)).readLine().replaceFirst("^[^?]*[?]", "");
@end
        var parameters = new HashMap<String, String>();
        for (var pair : query.trim().split("&")) {
            var parts = pair.split("=", 2);
            parameters.put(parts[0], parts.length == 2 ? URLDecoder.decode(parts[1], StandardCharsets.UTF_8) : "");
        }
        if (!state.equals(parameters.get("state")) || !@issuer@.equals(parameters.get("iss"))) {
            throw new IllegalStateException("This is no answer to this login.");
        }
        var code = parameters.get("code");
        if (code == null) {
            throw new IllegalStateException(parameters.get("error") + ": " + parameters.get("error_description"));
        }

        String[][] fields = {
            @fields@
        };
        var http = HttpClient.newHttpClient();
        var request = HttpRequest.newBuilder(URI.create(@url@))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString(form(fields)));
        var answer = http.send(request.build(), BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IllegalStateException(answer.statusCode() + " " + answer.body());
        }
        // Without a library for JSON; a program uses one.
        var token = Pattern.compile("\"access_token\":\"([^\"]+)\"").matcher(answer.body());
        if (!token.find()) {
            throw new IllegalStateException(answer.body());
        }
        var call = HttpRequest.newBuilder(URI.create(@api@)).header("Authorization", "Bearer " + token.group(1));
        var response = http.send(call.build(), BodyHandlers.ofString());
        System.out.println(response.statusCode() + " " + response.body());
    }
}
