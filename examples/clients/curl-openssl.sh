#!/bin/sh
# A client of application-level encryption (ALE) with nothing but curl, openssl and a POSIX shell.
#
#   ALE_URL=http://127.0.0.1:8080/orders ALE_ALGORITHM=AES-256-CTR ALE_FINGERPRINT=… ALE_KEY=<base64> \
#     sh curl-openssl.sh [METHOD] < order.json
#
# What the settings and exit statuses mean stands in README.md beside this file; (P…) are clauses of docs/PROTOCOL.md.
#
# Two limits, both of openssl's command line:
# - It has no GCM. CFB and CTR prove nothing: whoever sits on the line can change what comes out, unseen.
# - It takes a key as an argument only, so while it runs other users of the machine can read the key with `ps`.
#   Good for a look at the protocol and for a test; not for a machine that is shared.
set -eu
umask 077

refuse() { echo "failed: $1" >&2; exit 2; }
forged() { echo "forged: $1" >&2; exit 4; }
base64_of() { openssl base64 -A -in "$1"; }
hex_of() { od -An -v -tx1 "$1" | tr -d ' \n'; }

# What $1 seals or opens: -e or -d, the file with the IV, input, output.
crypt() { openssl enc "$1" "-$cipher" -K "$(hex_of "$dir/key")" -iv "$(hex_of "$2")" -in "$3" -out "$4"; }

# The values of the reply's header $1, one a line. (HTTP allows blanks around a value.)
header() {
    tr -d '\r' <"$dir/head" | grep -i "^$1:" | sed -e 's/^[^:]*:[ 	]*//' -e 's/[ 	]*$//' || true
}

# --- settings: from the environment, so that no secret stands on this script's command line ---
method=$(printf %s "${1:-POST}" | tr '[:lower:]' '[:upper:]')
for name in ALE_URL ALE_ALGORITHM ALE_KEY ALE_FINGERPRINT; do
    eval "[ -n \"\${$name:-}\" ]" || refuse "set $name"
done
case $ALE_ALGORITHM in
    AES-128-GCM | AES-192-GCM | AES-256-GCM) refuse "openssl's command line has no GCM: use another client" ;;
    AES-128-CFB | AES-128-CFB8 | AES-128-CTR) key_bytes=16 ;;
    AES-192-CFB | AES-192-CFB8 | AES-192-CTR) key_bytes=24 ;;
    AES-256-CFB | AES-256-CFB8 | AES-256-CTR) key_bytes=32 ;;
    *) refuse "ALE_ALGORITHM is AES-{128,192,256}-{CFB,CFB8,CTR}" ;;
esac
cipher=$(printf %s "$ALE_ALGORITHM" | tr '[:upper:]' '[:lower:]') # openssl's names: -cfb is CFB128

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
printf %s "$ALE_KEY" | openssl base64 -d -A >"$dir/key" 2>/dev/null || true
# openssl fills a short key up with zeros.
[ "$(wc -c <"$dir/key")" -eq "$key_bytes" ] || refuse "ALE_KEY is not $key_bytes bytes of base64"

# --- seal ---
: >"$dir/plain"
case $method in GET | HEAD) ;; *) cat >"$dir/plain" ;; esac
openssl rand -out "$dir/iv" 16 # a fresh one for every request, retries included
iv=$(base64_of "$dir/iv")
crypt -e "$dir/iv" "$dir/plain" "$dir/sealed"

# --- send: the body is the raw ciphertext (P3), content-type stays the plaintext's ---
set -- -H "sec-iv: $iv" -H "sec-fingerprint: $ALE_FINGERPRINT" -H 'accept-encoding: identity'
if [ -s "$dir/plain" ]; then
    set -- "$@" -H 'content-type: application/json' --data-binary "@$dir/sealed"
else
    case $method in
        GET | HEAD | OPTIONS | DELETE) ;; # may come without a body (P4)
        *) set -- "$@" -H 'content-type: application/json' --data-binary '' ;;
    esac
fi
case $method in
    HEAD) set -- "$@" --head ;;
    *) set -- "$@" --request "$method" ;;
esac
: >"$dir/reply" # curl makes no file for an empty body
status=$(curl --silent --noproxy '*' --show-error --max-time 30 --dump-header "$dir/head" --output "$dir/reply" \
    --write-out '%{http_code}' "$@" -- "$ALE_URL") || { echo "failed: curl says no reply" >&2; exit 1; }

# --- judge the reply, then open it ---
echo "$status" >&2
case $method:$status in HEAD:* | *:204 | *:304) exit 0 ;; esac # nothing to open (P5)
reply_iv=$(header sec-iv)
reply_fingerprint=$(header sec-fingerprint)
if [ -z "$reply_iv" ] && [ -z "$reply_fingerprint" ]; then
    # The sidecar's own errors come in clear (P5): {"errorCode":…,"message":…}
    if [ "$status" -ge 400 ] && header content-type | grep -qi '^application/json' &&
        grep -Eq '^[{] *"errorCode" *: *[0-9]+ *[,}]' "$dir/reply"; then
        tr -cd '[:print:]' <"$dir/reply" >&2
        echo >&2
        exit 3
    fi
    forged 'the reply is not sealed'
fi
# A header that is missing is empty here, one that is repeated has two lines: neither passes.
[ "$reply_fingerprint" = "$ALE_FINGERPRINT" ] || forged 'the reply is not under our key'
printf %s "$reply_iv" | openssl base64 -d -A >"$dir/reply_iv" 2>/dev/null || true
# openssl ignores what is not base64; encoding again shows what it left out.
[ "$(wc -c <"$dir/reply_iv")" -eq 16 ] && [ "$(base64_of "$dir/reply_iv")" = "$reply_iv" ] ||
    forged 'sec-iv is not 16 bytes of canonical base64 (P1)'
[ "$reply_iv" != AAAAAAAAAAAAAAAAAAAAAA== ] || forged 'sec-iv is all zero (P1)'
[ "$reply_iv" != "$iv" ] || forged 'the reply bears the IV of our own request (P9)'

coding=$(header x-ale-content-encoding | tr -cd '[:print:]')
[ -z "$coding" ] || echo "x-ale-content-encoding \"$coding\": not decoded by this client (P6)" >&2
crypt -d "$dir/reply_iv" "$dir/reply" "$dir/opened"
cat "$dir/opened"
