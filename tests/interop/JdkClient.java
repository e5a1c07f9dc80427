import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;

/** The JDK's own HTTP and WebSocket client: java JdkClient.java VERSION URL, one line an answer. */
public class JdkClient {
  public static void main(String[] args) throws Exception {
    HttpClient client = args[0].equals("default")
        ? HttpClient.newHttpClient()
        : HttpClient.newBuilder().version(HttpClient.Version.valueOf(args[0])).build();
    URI url = URI.create(args[1]);
    System.out.println("GET " + get(client, url.resolve("/count")));
    System.out.println("POST " + post(client, url.resolve("/channels/ci")));
    System.out.println("WebSocket " + greeting(client, url.resolve("/ws")));
    System.exit(0);
  }

  static String get(HttpClient client, URI url) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(url).build();
    return String.valueOf(client.send(request, BodyHandlers.ofString()).statusCode());
  }

  static String post(HttpClient client, URI url) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(url)
        .POST(HttpRequest.BodyPublishers.ofString("from Java"))
        .build();
    return String.valueOf(client.send(request, BodyHandlers.ofString()).statusCode());
  }

  /** The first message, or why there is none. */
  static String greeting(HttpClient client, URI url) throws Exception {
    CompletableFuture<String> first = new CompletableFuture<>();
    WebSocket.Listener listener = new WebSocket.Listener() {
      @Override
      public CompletionStage<?> onText(WebSocket socket, CharSequence text, boolean isLast) {
        first.complete(text.toString());
        return null;
      }
    };
    URI target = URI.create(url.toString().replaceFirst("^http", "ws"));
    client.newWebSocketBuilder().buildAsync(target, listener).exceptionally(error -> {
      first.complete("refused");
      return null;
    });
    return first.get(20, TimeUnit.SECONDS);
  }
}
