#!/usr/bin/env php
<?php
// A client of application-level encryption (ALE) for PHP 8.1 or newer; needs the extension `openssl`, nothing else.
//
//   ALE_URL=http://127.0.0.1:8080/orders ALE_ALGORITHM=AES-256-GCM ALE_FINGERPRINT=… ALE_KEY=<base64> \
//     php php.php [METHOD] < order.json
//
// What the settings and exit statuses mean stands in README.md beside this file; (P…) are clauses of docs/PROTOCOL.md.
declare(strict_types=1);

const IV_BYTES = 16;
const TAG_BYTES = 16;
const TIMEOUT_SECONDS = 30;
const MAY_LACK_A_BODY = ['GET', 'HEAD', 'OPTIONS', 'DELETE']; // (P4)

/** The reply can't be trusted: nothing of it may be used. */
final class Forged extends RuntimeException
{
}

/** The environment holds something that no request can be made of. */
final class BadSettings extends RuntimeException
{
}

/** One key and where to send: all that sealing and opening need. */
final class Ale
{
    private function __construct(
        public readonly string $url,
        public readonly string $fingerprint,
        private readonly string $cipher,
        private readonly bool $authenticated,
        #[SensitiveParameter] private readonly string $key,
    ) {
    }

    /** Reads the settings from the environment, so that no secret stands on a command line. */
    public static function fromEnvironment(): self
    {
        foreach (['ALE_URL', 'ALE_ALGORITHM', 'ALE_KEY', 'ALE_FINGERPRINT'] as $name) {
            $env[$name] = (string) getenv($name);
            $env[$name] !== '' || throw new BadSettings("set $name");
        }
        // Anything else that PHP's streams can open (files, php://) is no place to send an order to.
        preg_match('~^https?://~i', $env['ALE_URL']) || throw new BadSettings('ALE_URL is not an http address');
        preg_match('/^AES-(128|192|256)-(GCM|CFB8?|CTR)$/D', $env['ALE_ALGORITHM'], $known)
            || throw new BadSettings('ALE_ALGORITHM is AES-{128,192,256}-{GCM,CFB,CFB8,CTR}');
        preg_match('/^[\x21-\x7E]{1,255}$/D', $env['ALE_FINGERPRINT'])
            || throw new BadSettings('ALE_FINGERPRINT is not 1 to 255 visible ASCII characters');
        $key = base64_decode($env['ALE_KEY'], true);
        // openssl_encrypt fills a short key up with zeros and cuts a long one, without a word.
        $key !== false && strlen($key) * 8 === (int) $known[1]
            || throw new BadSettings("ALE_KEY is not $known[1] bits of base64");
        // OpenSSL's names have the same parts: `-cfb` is CFB128.
        $cipher = strtolower($env['ALE_ALGORITHM']);
        return new self($env['ALE_URL'], $env['ALE_FINGERPRINT'], $cipher, $known[2] === 'GCM', $key);
    }

    /** Seals one plaintext: raw ciphertext, under GCM followed by the tag (P3). */
    public function seal(string $iv, string $plaintext): string
    {
        // OPENSSL_RAW_DATA, or it would be base64. PHP warns when it is given a tag that the mode doesn't have.
        if (!$this->authenticated) {
            return openssl_encrypt($plaintext, $this->cipher, $this->key, OPENSSL_RAW_DATA, $iv);
        }
        $tag = '';
        $ciphertext =
            openssl_encrypt($plaintext, $this->cipher, $this->key, OPENSSL_RAW_DATA, $iv, $tag, '', TAG_BYTES);
        return $ciphertext . $tag;
    }

    /** Opens one sealed body. Under GCM nothing is returned before the tag has been verified (P10). */
    public function open(string $iv, string $sealed): string
    {
        if (!$this->authenticated) {
            return openssl_decrypt($sealed, $this->cipher, $this->key, OPENSSL_RAW_DATA, $iv);
        }
        // openssl_decrypt takes a shorter tag for a whole one: the length is ours to check.
        strlen($sealed) >= TAG_BYTES || throw new Forged('the body is shorter than a tag');
        $tag = substr($sealed, -TAG_BYTES);
        $ciphertext = substr($sealed, 0, -TAG_BYTES);
        $plaintext = openssl_decrypt($ciphertext, $this->cipher, $this->key, OPENSSL_RAW_DATA, $iv, $tag);
        return $plaintext !== false ? $plaintext : throw new Forged('the tag does not verify');
    }
}

/** One reply as it came: status, header values by lower-case name, body. */
final class Reply
{
    public function __construct(
        public readonly int $status,
        private readonly array $headers,
        public readonly string $body,
    ) {
    }

    /** @return list<string> */
    public function header(string $name): array
    {
        return $this->headers[$name] ?? [];
    }

    /** The sidecar's own errors come in clear (P5): `{"errorCode":…,"message":…}`. */
    public function plainError(): ?string
    {
        if ($this->status < 400 || !str_starts_with($this->header('content-type')[0] ?? '', 'application/json')) {
            return null;
        }
        $error = json_decode($this->body, true);
        $known = is_array($error) && is_int($error['errorCode'] ?? null);
        return $known ? json_encode($error, JSON_UNESCAPED_SLASHES) : null;
    }
}

/** Sends one request. */
function send(string $url, string $method, array $headers, string $body): Reply
{
    $context = stream_context_create(['http' => [
        'method' => $method,
        'header' => $headers,
        'content' => $body,
        'protocol_version' => 1.1,
        'follow_location' => 0, // a redirect is opened like any other reply, never followed blindly
        'ignore_errors' => true, // replies of 400 and above have bodies as well
        'auto_decode' => false, // PHP would pass a chunked reply that was cut short as a whole one
        'timeout' => TIMEOUT_SECONDS,
    ]]);
    $stream = @fopen($url, 'rb', false, $context);
    $stream !== false || throw new RuntimeException(error_get_last()['message'] ?? 'no reply');

    // Interim replies (1xx) stand before the real one: each status line begins the list of headers anew.
    foreach (stream_get_meta_data($stream)['wrapper_data'] as $line) {
        if (preg_match('~^HTTP/[\d.]+ (\d{3})~', $line, $found)) {
            [$status, $fields] = [(int) $found[1], []];
        } elseif (str_contains($line, ':')) {
            [$name, $value] = explode(':', $line, 2);
            $fields[strtolower($name)][] = trim($value);
        }
    }
    $bears_none = $method === 'HEAD' || $status === 204 || $status === 304;
    return new Reply($status, $fields, $bears_none ? '' : read_body($stream, $fields));
}

/** The body, if all of it comes. PHP's streams do not tell the end of a body from a lost connection. */
function read_body($stream, array $fields): string
{
    if (strtolower($fields['transfer-encoding'][0] ?? '') === 'chunked') {
        return read_chunks($stream);
    }
    $length = $fields['content-length'][0] ?? null;
    return $length === null ? stream_get_contents($stream) : read_exactly($stream, (int) $length);
}

function read_chunks($stream): string
{
    $body = '';
    while (preg_match('/^([0-9a-fA-F]{1,8})[;\s]/', (string) fgets($stream), $size)) {
        $length = (int) hexdec($size[1]);
        if ($length === 0) {
            return $body;
        }
        $body .= read_exactly($stream, $length);
        fgets($stream); // the end of the line after the chunk
    }
    throw new RuntimeException('the reply was cut short');
}

function read_exactly($stream, int $length): string
{
    $bytes = (string) stream_get_contents($stream, $length);
    return strlen($bytes) === $length ? $bytes : throw new RuntimeException('the reply was cut short');
}

/** The reply's IV: canonical base64 of 16 bytes, not all zero (P1), and not the one that we sent (P9). */
function reply_iv(string $text, string $sent): string
{
    $iv = base64_decode($text, true);
    // PHP takes missing padding and ignores unused bits; encoding again shows both.
    if ($iv === false || base64_encode($iv) !== $text || strlen($iv) !== IV_BYTES) {
        throw new Forged('sec-iv is not 16 bytes of canonical base64');
    }
    $iv !== str_repeat("\0", IV_BYTES) || throw new Forged('sec-iv is all zero');
    $iv !== $sent || throw new Forged('the reply bears the IV of our own request');
    return $iv;
}

function exchange(string $method): int
{
    $ale = Ale::fromEnvironment();
    $plaintext = in_array($method, ['GET', 'HEAD'], true) ? '' : stream_get_contents(STDIN);

    $sentIv = random_bytes(IV_BYTES); // a fresh one for every request, retries included
    $headers = [
        'sec-iv: ' . base64_encode($sentIv),
        "sec-fingerprint: $ale->fingerprint",
        'accept-encoding: identity',
        'connection: close',
    ];
    $body = '';
    if ($plaintext !== '' || !in_array($method, MAY_LACK_A_BODY, true)) {
        $headers[] = 'content-type: application/json'; // the plaintext's type
        $body = $ale->seal($sentIv, $plaintext);
    }
    $reply = send($ale->url, $method, $headers, $body);

    fwrite(STDERR, "$reply->status\n");
    if ($method === 'HEAD' || $reply->status === 204 || $reply->status === 304) {
        return 0; // nothing to open (P5)
    }
    $ivs = $reply->header('sec-iv');
    $fingerprints = $reply->header('sec-fingerprint');
    if ($ivs === [] && $fingerprints === []) {
        $error = $reply->plainError() ?? throw new Forged('the reply is not sealed');
        fwrite(STDERR, "$error\n");
        return 3;
    }
    if (count($ivs) !== 1 || count($fingerprints) !== 1) {
        throw new Forged('sec-iv and sec-fingerprint must both stand there, once');
    }
    $fingerprints[0] === $ale->fingerprint || throw new Forged('the reply is under another key');
    $opened = $ale->open(reply_iv($ivs[0], $sentIv), $reply->body);

    foreach ($reply->header('x-ale-content-encoding') as $coding) { // (P6)
        fwrite(STDERR, 'x-ale-content-encoding ' . json_encode($coding) . ": not decoded by this client\n");
    }
    fwrite(STDOUT, $opened);
    return 0;
}

try {
    extension_loaded('openssl') || throw new BadSettings('the PHP extension `openssl` is missing');
    exit(exchange(strtoupper($argv[1] ?? 'POST')));
} catch (Forged $why) {
    fwrite(STDERR, "forged: {$why->getMessage()}\n");
    exit(4);
} catch (BadSettings $why) {
    fwrite(STDERR, "failed: {$why->getMessage()}\n");
    exit(2);
} catch (RuntimeException $why) {
    fwrite(STDERR, "failed: {$why->getMessage()}\n");
    exit(1);
}
