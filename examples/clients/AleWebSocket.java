import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.security.spec.AlgorithmParameterSpec;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * A WebSocket client of application-level encryption (ALE) for Java 17 or newer; nothing but the JDK.
 *
 * <pre>
 *   ALE_URL=ws://127.0.0.1:8080/tables/7 ALE_ALGORITHM=AES-256-GCM ALE_FINGERPRINT=… ALE_KEY=base64 \
 *     java AleWebSocket.java [COUNT] &lt; orders.txt
 * </pre>
 *
 * Each line is a message. What the settings, lines and exit statuses mean stands in README.md beside this file; (P…)
 * are clauses of docs/PROTOCOL.md.
 */
public final class AleWebSocket implements WebSocket.Listener {
    private static final int IV_BYTES = 16;
    private static final int TAG_BYTES = 16;
    private static final int LONGEST_ENVELOPE = 64 * 1024 * 1024;
    private static final Duration TIMEOUT = Duration.ofSeconds(30);
    private static final String BINARY = "base64:"; // marks a line that is a binary message
    private static final Pattern ALGORITHM = Pattern.compile("AES-(128|192|256)-(GCM|CFB8?|CTR)");

    /** What the other side sent can't be trusted: nothing of it may be used. */
    static final class Forged extends RuntimeException {
        Forged(String why) {
            super(why);
        }
    }

    /** The sidecar refused the handshake or a message. */
    static final class Refused extends RuntimeException {
        Refused(String why) {
            super(why);
        }
    }

    private final URI uri;
    private final String mode;
    private final SecretKeySpec key;
    private final String fingerprint;
    private final SecureRandom random = new SecureRandom();
    /** The IVs that this session has sealed under (P9). */
    private final Set<String> sealedUnder = ConcurrentHashMap.newKeySet();

    private final StringBuilder text = new StringBuilder();
    private final ByteArrayOutputStream binary = new ByteArrayOutputStream();
    private final CompletableFuture<Void> over = new CompletableFuture<>();
    private long received;
    private long expected = Long.MAX_VALUE;

    /** Reads the settings from the environment, so that no secret stands on a command line. */
    AleWebSocket(Map<String, String> env) {
        uri = URI.create(setting(env, "ALE_URL"));
        if (!Set.of("ws", "wss").contains(String.valueOf(uri.getScheme()))) {
            throw new IllegalArgumentException("ALE_URL is not a ws or wss address");
        }
        fingerprint = setting(env, "ALE_FINGERPRINT");
        Matcher known = ALGORITHM.matcher(setting(env, "ALE_ALGORITHM"));
        if (!known.matches()) {
            throw new IllegalArgumentException("ALE_ALGORITHM is AES-{128,192,256}-{GCM,CFB,CFB8,CTR}");
        }
        mode = known.group(2);
        byte[] bytes = Base64.getDecoder().decode(setting(env, "ALE_KEY"));
        if (bytes.length * 8 != Integer.parseInt(known.group(1))) {
            throw new IllegalArgumentException("ALE_KEY is not " + known.group(1) + " bits of base64");
        }
        key = new SecretKeySpec(bytes, "AES");
    }

    private static String setting(Map<String, String> env, String name) {
        String value = env.get(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalArgumentException("set " + name);
        }
        return value;
    }

    /** A fresh IV for each message and for the handshake, never one twice. */
    private byte[] freshIv() {
        byte[] iv = new byte[IV_BYTES];
        random.nextBytes(iv);
        sealedUnder.add(base64(iv));
        return iv;
    }

    /** One message as its envelope: ciphertext, under GCM followed by the tag, in base64 (P7). */
    String seal(byte[] plaintext) throws GeneralSecurityException {
        byte[] iv = freshIv();
        String message = base64(cipher(Cipher.ENCRYPT_MODE, iv).doFinal(plaintext));
        // A fingerprint has visible ASCII characters (P2), of which JSON escapes two.
        String name = fingerprint.replace("\\", "\\\\").replace("\"", "\\\"");
        return "{\"iv\":\"" + base64(iv) + "\",\"fingerprint\":\"" + name + "\",\"message\":\"" + message + "\"}";
    }

    /** The plaintext of one envelope. Under GCM nothing is returned before the tag has been verified (P10). */
    byte[] open(String envelope) throws GeneralSecurityException {
        Map<String, String> members = Members.of(envelope);
        if (members.containsKey("errorCode")) {
            throw new Refused(envelope.replaceAll("\\p{Cntrl}", " "));
        }
        if (!members.keySet().containsAll(Set.of("iv", "fingerprint", "message"))) {
            throw new Forged("a message is not sealed");
        }
        if (!members.get("fingerprint").equals(fingerprint)) {
            throw new Forged("a message is under another key");
        }
        byte[] iv = messageIv(members.get("iv"));
        byte[] sealed = canonical(members.get("message"), "message");
        if (mode.equals("GCM") && sealed.length < TAG_BYTES) {
            throw new Forged("a message is shorter than a tag");
        }
        try {
            return cipher(Cipher.DECRYPT_MODE, iv).doFinal(sealed);
        } catch (AEADBadTagException e) {
            throw new Forged("a tag does not verify");
        }
    }

    private Cipher cipher(int direction, byte[] iv) throws GeneralSecurityException {
        // "CFB" is CFB128 in the JDK; the padding must be named, or it would be PKCS5.
        Cipher cipher = Cipher.getInstance("AES/" + mode + "/NoPadding");
        AlgorithmParameterSpec parameters =
                mode.equals("GCM") ? new GCMParameterSpec(TAG_BYTES * 8, iv) : new IvParameterSpec(iv);
        cipher.init(direction, key, parameters);
        return cipher;
    }

    /** 16 bytes, not all zero (P1), and none that we sealed under: that would be our own, played back (P9). */
    private byte[] messageIv(String text) {
        byte[] iv = canonical(text, "iv");
        if (iv.length != IV_BYTES || Arrays.equals(iv, new byte[IV_BYTES])) {
            throw new Forged("an iv is not 16 random bytes");
        }
        if (sealedUnder.contains(text)) {
            throw new Forged("a message bears the IV of one of our own");
        }
        return iv;
    }

    private static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }

    /** Java ignores the unused bits of the last character; encoding again shows them. */
    private static byte[] canonical(String text, String member) {
        try {
            byte[] bytes = Base64.getDecoder().decode(text);
            if (base64(bytes).equals(text)) {
                return bytes;
            }
        } catch (IllegalArgumentException e) {
            // Refused below, like what is merely not canonical.
        }
        throw new Forged(member + " is not canonical base64");
    }

    /** The JDK has no JSON parser; of an envelope only the strings of a flat object matter, each once (P7). */
    static final class Members {
        private final String json;
        private int at;

        private Members(String json) {
            this.json = json;
        }

        static Map<String, String> of(String json) {
            Members reader = new Members(json);
            Map<String, String> members = new HashMap<>();
            reader.expect('{');
            while (members.isEmpty() || reader.next() == ',') {
                reader.at += members.isEmpty() ? 0 : 1;
                String name = reader.string();
                reader.expect(':');
                if (members.put(name, reader.value()) != null) {
                    throw new Forged("a member of a message is repeated");
                }
            }
            reader.expect('}');
            return members;
        }

        private char next() {
            while (at < json.length() && Character.isWhitespace(json.charAt(at))) {
                at++;
            }
            if (at == json.length()) {
                throw new Forged("a message is not sealed");
            }
            return json.charAt(at);
        }

        private void expect(char wanted) {
            if (next() != wanted) {
                throw new Forged("a message is not sealed");
            }
            at++;
        }

        private String value() {
            if (next() == '"') {
                return string();
            }
            int start = at;
            while (",}".indexOf(next()) < 0) {
                at++;
            }
            return json.substring(start, at);
        }

        /** Base64 and fingerprints need no escapes but these; others are taken as they stand, and won't open. */
        private String string() {
            expect('"');
            int start = at;
            boolean escaped = false;
            for (; at < json.length() && json.charAt(at) != '"'; at++) {
                if (json.charAt(at) == '\\') {
                    escaped = true;
                    at++;
                }
            }
            String raw = json.substring(start, Math.min(at, json.length()));
            expect('"');
            return escaped ? raw.replaceAll("\\\\([\\\\\"/])", "$1") : raw;
        }
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
        text.append(part);
        if (last) {
            String envelope = text.toString();
            text.setLength(0);
            print(envelope, false);
        }
        checkLength(text.length());
        socket.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer part, boolean last) {
        byte[] bytes = new byte[part.remaining()];
        part.get(bytes);
        binary.writeBytes(bytes);
        if (last) {
            String envelope = binary.toString(StandardCharsets.UTF_8);
            binary.reset();
            print(envelope, true);
        }
        checkLength(binary.size());
        socket.request(1);
        return null;
    }

    private void checkLength(int length) {
        if (length > LONGEST_ENVELOPE) {
            over.completeExceptionally(new IOException("a message is too long"));
        }
    }

    /** Prints one message. */
    private void print(String envelope, boolean isBinary) {
        try {
            byte[] opened = open(envelope);
            byte[] line = isBinary ? (BINARY + base64(opened)).getBytes(StandardCharsets.US_ASCII) : utf8(opened);
            System.out.write(line);
            System.out.write('\n');
            System.out.flush();
            count(1, expected);
        } catch (Forged | Refused | GeneralSecurityException | IOException e) {
            over.completeExceptionally(e);
        }
    }

    private static byte[] utf8(byte[] opened) {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(opened));
            return opened;
        } catch (CharacterCodingException e) {
            throw new Forged("a text message is not UTF-8");
        }
    }

    private synchronized void count(int more, long expected) {
        received += more;
        this.expected = expected;
        if (received >= expected) {
            over.complete(null);
        }
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        String words = (code + " " + reason).strip();
        over.completeExceptionally(
                code == 1008 ? new Refused(words) : new IOException("the session ended too early: " + words));
        return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        over.completeExceptionally(error);
    }

    /** The handshake bears both headers; its IV opens no message (P7). */
    private WebSocket connect() {
        return HttpClient.newHttpClient()
                .newWebSocketBuilder()
                .connectTimeout(TIMEOUT)
                .header("sec-iv", base64(freshIv()))
                .header("sec-fingerprint", fingerprint)
                .buildAsync(uri, this)
                .join();
    }

    /** Sends each line as a message, and says how many there were. One message must be out before the next begins. */
    private long sendLines(WebSocket socket) throws GeneralSecurityException, IOException {
        InputStream lines = new BufferedInputStream(System.in, 64 * 1024);
        long messages = 0;
        for (byte[] line = line(lines); line != null; line = line(lines)) {
            String start = new String(line, 0, Math.min(line.length, BINARY.length()), StandardCharsets.UTF_8);
            if (start.equals(BINARY)) {
                byte[] plaintext = Base64.getDecoder().decode(Arrays.copyOfRange(line, BINARY.length(), line.length));
                socket.sendBinary(ByteBuffer.wrap(seal(plaintext).getBytes(StandardCharsets.UTF_8)), true).join();
            } else {
                socket.sendText(seal(line), true).join();
            }
            messages++;
        }
        return messages;
    }

    private static byte[] line(InputStream from) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int next = from.read();
        if (next < 0) {
            return null;
        }
        for (; next >= 0 && next != '\n'; next = from.read()) {
            line.write(next);
        }
        return line.toByteArray();
    }

    void hold(Long count) throws InterruptedException {
        WebSocket socket = connect();
        System.err.println(101);
        Thread sender = new Thread(() -> {
            try {
                long messages = sendLines(socket);
                count(0, count == null ? messages : count);
            } catch (CompletionException e) {
                // The session is over, which the listener hears of, with the reason.
            } catch (GeneralSecurityException | IOException | IllegalArgumentException e) {
                over.completeExceptionally(e);
            }
        });
        sender.setDaemon(true); // standard input may stay open for longer than the session
        sender.start();
        over.join();
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").join();
    }

    /** Says what failed; the exit status. */
    private static int report(Throwable failure) {
        if (failure instanceof WebSocketHandshakeException refusal) {
            HttpResponse<?> reply = refusal.getResponse();
            boolean sealed = reply.headers().firstValue("sec-iv").isPresent();
            System.err.println(reply.statusCode());
            String body = String.valueOf(reply.body()).replaceAll("\\p{Cntrl}", " ");
            System.err.println(sealed ? "by the application" : body);
            return 3;
        }
        boolean refused = failure instanceof Refused;
        boolean forged = failure instanceof Forged;
        boolean settings = failure instanceof IllegalArgumentException;
        String words = refused || forged || settings ? failure.getMessage() : failure.toString();
        System.err.println((refused ? "" : forged ? "forged: " : "failed: ") + words);
        return refused ? 3 : forged ? 4 : settings ? 2 : 1;
    }

    private static Long countOf(String[] arguments) {
        if (arguments.length > 0 && !arguments[0].matches("\\d{1,18}")) {
            throw new IllegalArgumentException("COUNT is a number of messages");
        }
        return arguments.length > 0 ? Long.valueOf(arguments[0]) : null;
    }

    public static void main(String[] arguments) throws InterruptedException {
        int exitStatus = 0;
        try {
            Long count = countOf(arguments);
            new AleWebSocket(System.getenv()).hold(count);
        } catch (CompletionException e) {
            exitStatus = report(e.getCause());
        } catch (RuntimeException e) {
            exitStatus = report(e);
        }
        System.exit(exitStatus);
    }
}
