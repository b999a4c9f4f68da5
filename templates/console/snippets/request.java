// Save it as Snippet.java.
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.StringJoiner;
@if token
import java.util.regex.Pattern;
@end

public class Snippet {
    public static void main(String[] arguments) throws Exception {
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
