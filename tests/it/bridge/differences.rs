//! The named differences of docs/PROTOCOL.md, each as what it does to an exchange: what passed directly, with all of
//! these done to it, is what must have passed through the bridge.

use super::heard::{Fields, Heard};

/// What both ends heard of one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) method: String,
    /// At the application.
    pub(super) request: Heard,
    /// At the client.
    pub(super) reply: Heard,
}

/// What a bridge brings in.
pub(super) struct Between {
    /// Where the inbound proxy listens.
    pub(super) inbound: String,
    /// Whether its keys are of GCM.
    pub(super) authenticated: bool,
}

/// One named difference.
pub(super) struct Difference {
    /// Its name: words of docs/PROTOCOL.md.
    pub(super) named: &'static str,
    apply: fn(&mut Exchange, &Between),
}

const HOP_BY_HOP: [&str; 7] =
    ["connection", "http2-settings", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];
const OF_PLAIN_BYTES: [&str; 11] = [
    "accept-ranges",
    "content-digest",
    "content-md5",
    "content-range",
    "digest",
    "if-range",
    "range",
    "repr-digest",
    "want-content-digest",
    "want-digest",
    "want-repr-digest",
];

/// All of them, in an order in which they can be done one after another.
pub(super) const DIFFERENCES: [Difference; 18] = [
    Difference {
        named: "the last comes back as `content-encoding`",
        apply: |exchange, _| {
            for message in [&mut exchange.request, &mut exchange.reply] {
                let codings = message
                    .fields
                    .iter_mut()
                    .filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
                codings.for_each(|(name, _)| name.make_ascii_lowercase());
            }
        },
    },
    Difference {
        named: "A target in absolute form becomes origin form, and its authority becomes `host`",
        apply: |exchange, _| origin_form(&mut exchange.request),
    },
    Difference {
        named: "Trailers need `trailer` in the head: undeclared ones are dropped",
        apply: |exchange, _| drop_undeclared(&mut exchange.request),
    },
    Difference {
        named: "Trailers need `trailer` in the head and, under HTTP/1.1, `te: trailers` in the request",
        apply: |exchange, _| {
            drop_undeclared(&mut exchange.reply);
            if !exchange.request.members("te").contains(&"trailers".to_owned()) {
                exchange.reply.trailers.clear();
            }
        },
    },
    Difference {
        named: "Under GCM an empty body in chunks without trailers arrives as no body at all, and no body where a method \
                needs one (P4) as `content-length: 0`.",
        apply: |exchange, between| {
            if between.authenticated
                && exchange.request.body.is_empty()
                && exchange.request.trailers.is_empty()
            {
                empty_body(&mut exchange.request, &exchange.method);
            }
        },
    },
    Difference {
        named: "Names of trailers come in small letters.",
        apply: |exchange, _| {
            let trailers = exchange.request.trailers.iter_mut().chain(&mut exchange.reply.trailers);
            trailers.for_each(|(name, _)| name.make_ascii_lowercase());
        },
    },
    Difference {
        named: "What a reply without a body says of chunks is removed: `transfer-encoding` and `trailer` on HEAD, 204 and 304.",
        apply: |exchange, _| {
            if exchange.method == "HEAD" || matches!(exchange.reply.status(), 204 | 304) {
                exchange.reply.remove("transfer-encoding");
                exchange.reply.remove("trailer");
            }
        },
    },
    Difference {
        named: "A reason phrase with other than ASCII characters becomes an empty one.",
        apply: |exchange, _| {
            if !exchange.reply.start.is_ascii() {
                exchange.reply.start = format!("HTTP/1.1 {} ", exchange.reply.status());
            }
        },
    },
    Difference {
        named: "1xx replies of the application are swallowed",
        apply: |exchange, _| exchange.reply.interim.clear(),
    },
    Difference {
        named: "Hop-by-hop fields end here",
        apply: |exchange, _| {
            let takes_trailers = exchange.request.members("te").contains(&"trailers".to_owned());
            without_hop_by_hop(&mut exchange.request);
            if takes_trailers {
                exchange.request.set("te", "trailers");
                exchange.request.set("connection", "te");
            }
        },
    },
    Difference {
        named: "Hop-by-hop and digest fields are removed as above.",
        apply: |exchange, _| {
            without_hop_by_hop(&mut exchange.reply);
            OF_PLAIN_BYTES.iter().for_each(|name| exchange.reply.remove(name));
        },
    },
    Difference {
        named: "A reply whose length is not stated comes in chunks",
        apply: |exchange, _| {
            if std::mem::take(&mut exchange.reply.until_close) {
                exchange.reply.set("transfer-encoding", "chunked");
            }
        },
    },
    Difference {
        named: "On 204 and 304 `content-length` is removed.",
        apply: |exchange, _| {
            if matches!(exchange.reply.status(), 204 | 304) {
                exchange.reply.remove("content-length");
            }
        },
    },
    Difference {
        named: "`accept-encoding` becomes `identity` (P6).",
        apply: |exchange, _| exchange.request.set("accept-encoding", "identity"),
    },
    Difference {
        named: "`want-digest`, `want-content-digest` and `want-repr-digest` are removed, on requests and on replies (P6).",
        apply: |exchange, _| OF_PLAIN_BYTES.iter().for_each(|name| exchange.request.remove(name)),
    },
    Difference {
        named: "`host = \"upstream\"`",
        apply: |exchange, between| exchange.request.set("host", &between.inbound),
    },
    Difference {
        named: "`append` adds the peer to `-for` as a field of its own and sets the others where they are absent",
        apply: |exchange, between| forwarded(&mut exchange.request, between),
    },
    Difference {
        named: "`x-request-id` goes on if it is one field of 1 to 128 visible ASCII characters",
        apply: |exchange, _| named(&mut exchange.request),
    },
];

/// What is different about handshakes on top of all that holds for requests and replies.
pub(super) const OF_HANDSHAKES: [Difference; 1] = [Difference {
    named: "`sec-websocket-extensions` is removed",
    apply: |exchange, _| exchange.request.remove("sec-websocket-extensions"),
}];

fn origin_form(request: &mut Heard) {
    let mut words = request.start.splitn(3, ' ');
    let (method, target, version) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    if let Some(rest) = target.strip_prefix("http://") {
        let slash = rest.find('/').unwrap();
        let (authority, path) = rest.split_at(slash);
        let (authority, start) = (authority.to_owned(), format!("{method} {path} {version}"));
        request.set("host", &authority);
        request.start = start;
    }
}

fn empty_body(request: &mut Heard, method: &str) {
    let may_lack_a_body = ["GET", "HEAD", "OPTIONS", "DELETE"].contains(&method);
    let unstated = request.field("content-length").is_none() && request.field("transfer-encoding").is_none();
    if unstated && !may_lack_a_body {
        request.set("content-length", "0");
    }
    request.remove("transfer-encoding");
}

fn drop_undeclared(message: &mut Heard) {
    if message.field("trailer").is_none() {
        message.trailers.clear();
    }
}

/// The framing stays, in the form that it has.
fn without_hop_by_hop(message: &mut Heard) {
    let chunked = message.field("transfer-encoding").is_some();
    for name in message.members("connection") {
        message.remove(&name);
    }
    HOP_BY_HOP.iter().for_each(|name| message.remove(name));
    if chunked {
        message.set("transfer-encoding", "chunked");
    }
}

fn forwarded(request: &mut Heard, between: &Between) {
    request.fields.push(("x-forwarded-for".to_owned(), "127.0.0.1".to_owned()));
    for (name, value) in [("x-forwarded-proto", "http"), ("x-forwarded-host", &between.inbound)] {
        if request.field(name).is_none() {
            request.set(name, value);
        }
    }
}

/// What stands for an id that was made.
const MADE: &str = "32 random hexadecimal digits";

fn named(request: &mut Heard) {
    let is_usable =
        |id: &str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let ids = request.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-request-id"));
    let ids: Vec<_> = ids.map(|(_, id)| id.as_str()).collect();
    if !matches!(ids[..], [id] if is_usable(id)) {
        request.set("x-request-id", MADE);
    }
}

/// Ids that were made are all alike.
fn alike(fields: &mut Fields) {
    let is_made =
        |id: &str| id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    for (name, id) in fields {
        if name.eq_ignore_ascii_case("x-request-id") && is_made(id) {
            MADE.clone_into(id);
        }
    }
}

/// "Fields of different names may change places; those of one name keep their order." What `content-length` and
/// `transfer-encoding` are called in capitals is the HTTP library's.
pub(super) const ORDER: &str =
    "Fields of different names may change places; those of one name keep their order.";

/// Puts fields into one order, names of one kind beside each other.
fn sorted(fields: &mut Fields) {
    for (name, _) in fields.iter_mut() {
        let framing = ["content-length", "transfer-encoding", "trailer", "te", "connection"];
        if framing.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            name.make_ascii_lowercase();
        }
    }
    fields.sort_by_key(|(name, _)| name.to_ascii_lowercase());
}

impl Exchange {
    /// What must have passed through the bridge if this passed directly.
    pub(super) fn expected(mut self, between: &Between) -> Self {
        DIFFERENCES.iter().for_each(|difference| (difference.apply)(&mut self, between));
        self.in_order()
    }

    /// The same for a handshake, whose `connection` and `upgrade` pass.
    pub(super) fn expected_handshake(mut self, between: &Between) -> Self {
        let passing = |(name, _): &(String, String)| {
            ["upgrade", "connection"].iter().any(|known| name.eq_ignore_ascii_case(known))
        };
        let kept = [&self.request, &self.reply]
            .map(|head| head.fields.iter().filter(|field| passing(field)).cloned().collect::<Fields>());
        DIFFERENCES
            .iter()
            .chain(&OF_HANDSHAKES)
            .for_each(|difference| (difference.apply)(&mut self, between));
        for (head, kept) in [&mut self.request, &mut self.reply].into_iter().zip(kept) {
            head.fields.extend(kept);
        }
        self.in_order()
    }

    pub(super) fn in_order(mut self) -> Self {
        for message in [&mut self.request, &mut self.reply] {
            alike(&mut message.fields);
            sorted(&mut message.fields);
            sorted(&mut message.trailers);
        }
        self
    }
}
