import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.security.spec.AlgorithmParameterSpec;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * A client of application-level encryption (ALE) for Java 17 or newer; nothing but the JDK.
 *
 * <pre>
 *   ALE_URL=http://127.0.0.1:8080/orders ALE_ALGORITHM=AES-256-GCM ALE_FINGERPRINT=… ALE_KEY=base64 \
 *     java AleClient.java [METHOD] &lt; order.json
 * </pre>
 *
 * What the settings and exit statuses mean stands in README.md beside this file; (P…) are clauses of docs/PROTOCOL.md.
 */
public final class AleClient {
    private static final int IV_BYTES = 16;
    private static final int TAG_BYTES = 16;
    private static final Duration TIMEOUT = Duration.ofSeconds(30);
    private static final Set<String> MAY_LACK_A_BODY = Set.of("GET", "HEAD", "OPTIONS", "DELETE"); // (P4)
    private static final Pattern ALGORITHM = Pattern.compile("AES-(128|192|256)-(GCM|CFB8?|CTR)");
    // The JDK has no JSON parser; the sidecar's errors are always written in this one way.
    private static final Pattern PLAIN_ERROR =
            Pattern.compile("\\s*\\{\\s*\"errorCode\"\\s*:\\s*\\d+\\s*,\\s*\"message\"\\s*:\\s*\"[^\"]*\"\\s*}\\s*");

    private final URI uri;
    private final String mode;
    private final SecretKeySpec key;
    private final String fingerprint;

    /** The reply can't be trusted: nothing of it may be used. */
    static final class Forged extends Exception {
        Forged(String why) {
            super(why);
        }
    }

    /** Reads the settings from the environment, so that no secret stands on a command line. */
    AleClient(Map<String, String> env) {
        uri = URI.create(setting(env, "ALE_URL"));
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

    /** Seals one plaintext: raw ciphertext, under GCM followed by the tag, as javax.crypto has it too (P3). */
    byte[] seal(byte[] iv, byte[] plaintext) throws GeneralSecurityException {
        return cipher(Cipher.ENCRYPT_MODE, iv).doFinal(plaintext);
    }

    /** Opens one sealed body. Under GCM nothing is returned before the tag has been verified (P10). */
    byte[] open(byte[] iv, byte[] sealed) throws Forged, GeneralSecurityException {
        if (mode.equals("GCM") && sealed.length < TAG_BYTES) {
            throw new Forged("the body is shorter than a tag");
        }
        try {
            return cipher(Cipher.DECRYPT_MODE, iv).doFinal(sealed);
        } catch (AEADBadTagException e) {
            throw new Forged("the tag does not verify");
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

    /** The reply's IV: canonical base64 of 16 bytes, not all zero (P1), and not the one that we sent (P9). */
    private static byte[] replyIv(String text, byte[] sent) throws Forged {
        byte[] iv;
        try {
            iv = Base64.getDecoder().decode(text);
        } catch (IllegalArgumentException e) {
            throw new Forged("sec-iv is not base64");
        }
        // Java ignores the unused bits of the last character; encoding again shows them.
        if (!Base64.getEncoder().encodeToString(iv).equals(text) || iv.length != IV_BYTES) {
            throw new Forged("sec-iv is not 16 bytes of canonical base64");
        }
        if (Arrays.equals(iv, new byte[IV_BYTES])) {
            throw new Forged("sec-iv is all zero");
        }
        if (Arrays.equals(iv, sent)) {
            throw new Forged("the reply bears the IV of our own request");
        }
        return iv;
    }

    /** The sidecar's own errors come in clear (P5): {"errorCode":…,"message":…}. */
    private static boolean isPlainError(HttpResponse<byte[]> reply, String body) {
        String type = reply.headers().firstValue("content-type").orElse("");
        return reply.statusCode() >= 400 && type.startsWith("application/json") && PLAIN_ERROR.matcher(body).matches();
    }

    private HttpResponse<byte[]> send(String method, byte[] iv, byte[] plaintext)
            throws GeneralSecurityException, IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
                .timeout(TIMEOUT)
                .header("sec-iv", Base64.getEncoder().encodeToString(iv))
                .header("sec-fingerprint", fingerprint)
                .header("accept-encoding", "identity");
        if (plaintext.length > 0 || !MAY_LACK_A_BODY.contains(method)) {
            request.header("content-type", "application/json"); // the plaintext's type
            request.method(method, BodyPublishers.ofByteArray(seal(iv, plaintext)));
        } else {
            request.method(method, BodyPublishers.noBody());
        }
        // Its default tries to upgrade plain connections to HTTP/2. Redirects are not followed unless asked for.
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        return client.send(request.build(), BodyHandlers.ofByteArray());
    }

    int exchange(String method) throws Forged, GeneralSecurityException, IOException, InterruptedException {
        byte[] plaintext = Set.of("GET", "HEAD").contains(method) ? new byte[0] : System.in.readAllBytes();
        byte[] sentIv = new byte[IV_BYTES];
        new SecureRandom().nextBytes(sentIv); // a fresh one for every request, retries included
        HttpResponse<byte[]> reply = send(method, sentIv, plaintext);

        int status = reply.statusCode();
        System.err.println(status);
        if (method.equals("HEAD") || status == 204 || status == 304) {
            return 0; // nothing to open (P5)
        }
        HttpHeaders headers = reply.headers();
        List<String> ivs = headers.allValues("sec-iv");
        List<String> fingerprints = headers.allValues("sec-fingerprint");
        if (ivs.isEmpty() && fingerprints.isEmpty()) {
            String body = new String(reply.body(), StandardCharsets.UTF_8);
            if (!isPlainError(reply, body)) {
                throw new Forged("the reply is not sealed");
            }
            System.err.println(body.replaceAll("\\p{Cntrl}", " ").strip());
            return 3;
        }
        if (ivs.size() != 1 || fingerprints.size() != 1) {
            throw new Forged("sec-iv and sec-fingerprint must both stand there, once");
        }
        if (!fingerprints.get(0).equals(fingerprint)) {
            throw new Forged("the reply is under another key");
        }
        byte[] opened = open(replyIv(ivs.get(0), sentIv), reply.body());

        headers.firstValue("x-ale-content-encoding") // (P6)
                .ifPresent(c -> System.err.println("x-ale-content-encoding \"" + c + "\": not decoded by this client"));
        System.out.write(opened);
        System.out.flush();
        return 0;
    }

    public static void main(String[] arguments) throws InterruptedException {
        int exitStatus = 0;
        try {
            String method = arguments.length > 0 ? arguments[0].toUpperCase(Locale.ROOT) : "POST";
            exitStatus = new AleClient(System.getenv()).exchange(method);
        } catch (Forged e) {
            System.err.println("forged: " + e.getMessage());
            exitStatus = 4;
        } catch (IllegalArgumentException e) {
            System.err.println("failed: " + e.getMessage());
            exitStatus = 2;
        } catch (IOException | GeneralSecurityException e) {
            System.err.println("failed: " + e);
            exitStatus = 1;
        }
        System.exit(exitStatus);
    }
}
