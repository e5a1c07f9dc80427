import io.socket.client.IO;
import io.socket.client.Socket;
import java.net.URI;
import java.util.Arrays;
import org.json.JSONArray;
import org.json.JSONObject;

/**
 * The Java client, run from its source:
 *
 * <pre>java -cp 'lib/*' Client.java '{"url":…,"transports":[…],"events":[…]}'</pre>
 *
 * Each line on stdout is one {"event": name, "args": […]}.
 */
public class Client {
  public static void main(String[] args) throws Exception {
    JSONObject settings = new JSONObject(args[0]);
    IO.Options options = new IO.Options();
    options.transports = texts(settings.getJSONArray("transports"));
    options.reconnectionDelay = 50;
    options.reconnectionDelayMax = 200;
    Socket socket = IO.socket(URI.create(settings.getString("url")), options);
    socket.on(Socket.EVENT_CONNECT, values -> tell("connect", socket.id()));
    socket.on(Socket.EVENT_DISCONNECT, values -> tell("disconnect", values));
    for (String event : texts(settings.getJSONArray("events"))) {
      socket.on(event, values -> tell(event, values));
    }
    socket.connect();
  }

  private static String[] texts(JSONArray array) throws Exception {
    String[] texts = new String[array.length()];
    for (int at = 0; at < texts.length; at++) texts[at] = array.getString(at);
    return texts;
  }

  private static void tell(String event, Object... values) {
    try {
      JSONArray args = new JSONArray(Arrays.asList(values));
      System.out.println(new JSONObject().put("event", event).put("args", args));
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
  }
}
