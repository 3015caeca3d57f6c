<?php
// Requests under the presets kaleyra and ccavenue-gcm, sealed with PHP's openssl_encrypt as a vendor's server would.
// Prints tests/vectors/profiles/php.json. Keys and ivs are the characters themselves.

const IV = 'fedcba9876543210';
const KEY = '0123456789abcdef0123456789ABCDEF';

function sealed(string $cipher, string $key, string $iv, string $plain): string
{
    if (!str_ends_with($cipher, 'gcm')) {
        return openssl_encrypt($plain, $cipher, $key, OPENSSL_RAW_DATA, $iv);
    }
    $ciphertext = openssl_encrypt($plain, $cipher, $key, OPENSSL_RAW_DATA, $iv, $tag);
    return $ciphertext . $tag;
}

function callback_of(string $cipher): array
{
    $key = substr(KEY, 0, intdiv((int) explode('-', $cipher)[1], 8));
    $plain = ['phone' => '+49 30 1234567', 'note' => "a&b=\u{fc} 100%", 'id' => '7'];
    $seal = fn (string $value): string => base64_encode(sealed($cipher, $key, IV, $value));
    $values = array_map($seal, $plain);
    $form = 'application/x-www-form-urlencoded';
    return [
        'preset' => 'kaleyra',
        'algorithm' => strtoupper($cipher),
        'key' => bin2hex($key),
        'static_iv' => bin2hex(IV),
        'requests' => [
            [
                'method' => 'GET',
                'target' => '/call?' . http_build_query($values),
                'headers' => (object) [],
                'body' => '',
                'plain_target' => '/call?' . http_build_query($plain, '', '&', PHP_QUERY_RFC3986),
                'plain_body' => '',
            ],
            [
                'method' => 'POST',
                'target' => '/call',
                'headers' => ['content-type' => $form],
                'body' => base64_encode(http_build_query($values)),
                'plain_target' => '/call',
                'plain_body' => base64_encode(http_build_query($plain, '', '&', PHP_QUERY_RFC3986)),
            ],
            [
                'method' => 'PUT',
                'target' => '/call',
                'headers' => ['content-type' => 'application/json'],
                'body' => base64_encode(json_encode(['call' => $values, 'tags' => [$values['id']]])),
                'plain_target' => '/call',
                'plain_body' => base64_encode(json_encode(['call' => $plain, 'tags' => [$plain['id']]], JSON_UNESCAPED_UNICODE)),
            ],
        ],
    ];
}

function ccavenue(): array
{
    $plain = 'order_id=1001&order_status=Success&amount=1.00';
    $body = 'orderNo=1001&encResp=' . bin2hex(IV . sealed('aes-256-gcm', KEY, IV, $plain));
    return [
        'preset' => 'ccavenue-gcm',
        'algorithm' => 'AES-256-GCM',
        'key' => bin2hex(KEY),
        'requests' => [[
            'method' => 'POST',
            'target' => '/response',
            'headers' => ['content-type' => 'application/x-www-form-urlencoded'],
            'body' => base64_encode($body),
            'plain_target' => '/response',
            'plain_body' => base64_encode($plain),
        ]],
    ];
}

$ciphers = ['aes-128-cfb', 'aes-192-cfb', 'aes-256-cfb', 'aes-128-gcm', 'aes-192-gcm', 'aes-256-gcm'];
$vectors = [...array_map('callback_of', $ciphers), ccavenue()];
echo json_encode($vectors, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), "\n";
