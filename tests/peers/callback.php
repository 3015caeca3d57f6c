<?php
// A platform of callbacks and a customer's endpoint, as far as values go: openssl_encrypt and openssl_decrypt of PHP's own.
// One JSON object a line in, one out: {"do":"seal","algorithm":"AES-128-CFB","key":…,"iv":…,"text":…} gives {"text":…}; "open"
// is the inverse, and gives null for what does not open. Key and IV are the characters themselves. CFB is what
// openssl_encrypt gives by itself, in base64; under GCM the 16 bytes of the tag follow the ciphertext, all in base64. With
// "escaped" the sealed text is as urlencode writes it; with "prefix" its IV stands before the ciphertext.
declare(strict_types=1);

function seal(string $cipher, string $key, string $iv, string $text): string
{
    if (!str_ends_with($cipher, '-gcm')) {
        return openssl_encrypt($text, $cipher, $key, 0, $iv);
    }
    $sealed = openssl_encrypt($text, $cipher, $key, OPENSSL_RAW_DATA, $iv, $tag, '', 16);
    return base64_encode($sealed . $tag);
}

function open(string $cipher, string $key, string $iv, string $text): ?string
{
    if (!str_ends_with($cipher, '-gcm')) {
        $plain = openssl_decrypt($text, $cipher, $key, 0, $iv);
    } else {
        $sealed = base64_decode($text, true);
        $ciphertext = substr($sealed, 0, -16);
        $plain = openssl_decrypt($ciphertext, $cipher, $key, OPENSSL_RAW_DATA, $iv, substr($sealed, -16));
    }
    return $plain === false ? null : $plain;
}

while (($line = fgets(STDIN)) !== false) {
    $task = json_decode($line, true, 8, JSON_THROW_ON_ERROR);
    $cipher = strtolower($task['algorithm']);
    $iv = $task['iv'];
    $text = $task['text'];
    if (($task['escaped'] ?? false) && $task['do'] === 'open') {
        $text = urldecode($text);
    }
    if (($task['prefix'] ?? false) && $task['do'] === 'open') {
        $sealed = base64_decode($text, true);
        $iv = substr($sealed, 0, 16);
        $text = base64_encode(substr($sealed, 16));
    }
    $done = $task['do'] === 'seal'
        ? seal($cipher, $task['key'], $iv, $text)
        : open($cipher, $task['key'], $iv, $text);
    if (($task['escaped'] ?? false) && $task['do'] === 'seal') {
        $done = urlencode($done);
    }
    fwrite(STDOUT, json_encode(['text' => $done], JSON_THROW_ON_ERROR) . "\n");
    fflush(STDOUT);
}
