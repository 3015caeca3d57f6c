import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * A WebSocket client without any encryption, of the JDK alone: lines in, lines out, as the clients of
 * examples/clients/ have them. <code>ALE_URL=ws://… java Plain.java &lt; lines</code>.
 */
public final class Plain implements WebSocket.Listener {
    private static final String BINARY = "base64:";

    private final StringBuilder text = new StringBuilder();
    private final ByteArrayOutputStream binary = new ByteArrayOutputStream();
    private final CompletableFuture<Void> over = new CompletableFuture<>();
    private int awaited;

    private Plain(int awaited) {
        this.awaited = awaited;
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
        text.append(part);
        if (last) {
            print(text.toString());
            text.setLength(0);
        }
        socket.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer part, boolean last) {
        byte[] bytes = new byte[part.remaining()];
        part.get(bytes);
        binary.writeBytes(bytes);
        if (last) {
            print(BINARY + Base64.getEncoder().encodeToString(binary.toByteArray()));
            binary.reset();
        }
        socket.request(1);
        return null;
    }

    private void print(String line) {
        System.out.writeBytes((line + "\n").getBytes(StandardCharsets.UTF_8));
        System.out.flush();
        awaited--;
        if (awaited == 0) {
            over.complete(null);
        }
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        over.completeExceptionally(new IllegalStateException("closed too early: " + code + " " + reason));
        return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        over.completeExceptionally(error);
    }

    public static void main(String[] arguments) throws Exception {
        String[] lines = new String(System.in.readAllBytes(), StandardCharsets.UTF_8).split("\n", -1);
        int count = lines.length - 1;
        Plain plain = new Plain(count);
        URI uri = URI.create(System.getenv("ALE_URL"));
        WebSocket socket = HttpClient.newHttpClient().newWebSocketBuilder().buildAsync(uri, plain).join();
        System.err.println(101);
        for (int i = 0; i < count; i++) {
            if (lines[i].startsWith(BINARY)) {
                byte[] message = Base64.getDecoder().decode(lines[i].substring(BINARY.length()));
                socket.sendBinary(ByteBuffer.wrap(message), true).join();
            } else {
                socket.sendText(lines[i], true).join();
            }
        }
        plain.over.join();
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").join();
        System.exit(0);
    }
}
