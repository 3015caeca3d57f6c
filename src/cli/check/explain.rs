//! `alewife check --explain`: which route a request takes, and why.

use std::fmt::{self, Write};
use std::str::FromStr;

use http::{Method, Uri};

use crate::config::Config;
use crate::proxy::{Asked, HostPolicy, Migration, Mode, PING_PATH, Policy, ProxyConfig, RouteConfig};

/// A request that somebody may send: `[METHOD ]URL`.
#[derive(Clone, Debug)]
pub(super) struct Question {
    method: Method,
    scheme: String,
    authority: String,
    path: String,
    query: Option<String>,
}

impl FromStr for Question {
    type Err = QuestionFault;

    fn from_str(text: &str) -> Result<Self, QuestionFault> {
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        let (method, url) = match words[..] {
            [url] => ("GET", url),
            [method, url] => (method, url),
            _ => return Err(QuestionFault::Words),
        };
        let is_written_small = method.bytes().any(|byte| byte.is_ascii_lowercase());
        let method = Method::from_bytes(method.as_bytes()).ok().filter(|_| !is_written_small);
        let method = method.ok_or(QuestionFault::Method)?;
        if url.contains(['#', '@']) {
            return Err(QuestionFault::Url);
        }
        let uri: Uri = url.parse().map_err(|_| QuestionFault::Url)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(QuestionFault::Url);
        };
        if !["http", "https", "ws", "wss"].contains(&scheme) {
            return Err(QuestionFault::Url);
        }
        Ok(Self {
            method,
            scheme: scheme.to_owned(),
            authority: authority.as_str().to_owned(),
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
        })
    }
}

/// Why a text is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QuestionFault {
    /// No method.
    #[error("the first word is not a method in capitals; write 'POST https://host/path'")]
    Method,
    /// No URL of a request.
    #[error(
        "not a URL with a scheme and a host, and without user and fragment; write 'POST https://host/path'"
    )]
    Url,
    /// Too many words, or none.
    #[error("not one URL, nor a method and a URL; write 'POST https://host/path'")]
    Words,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, scheme, authority, .. } = self;
        write!(f, "{method} {scheme}://{authority}{}", self.target(&self.path))
    }
}

impl Question {
    /// What becomes of the request at each proxy.
    pub(super) fn explain(&self, config: &Config) -> String {
        // Writing to a string does not fail.
        let mut text = format!("{self}\n");
        for proxy in &config.proxies {
            let _ = writeln!(text, "  proxy {} ({}):", proxy.name, proxy.mode);
            for line in self.explain_at(proxy) {
                let _ = writeln!(text, "    {line}");
            }
        }
        text
    }

    fn explain_at(&self, proxy: &ProxyConfig) -> Vec<String> {
        let asked = Asked { method: &self.method, host: Some(&self.authority), path: &self.path };
        let answers_ping = matches!(&proxy.mode, Mode::Inbound(inbound) if inbound.answer_ping);
        let has_keys = !proxy.routes.key_sets().is_empty();
        if self.path == PING_PATH && answers_ping && has_keys {
            return vec!["answered by the sidecar itself, as alewife ping asks (answer_ping)".to_owned()];
        }
        let mut lines = Vec::new();
        for (route, judged) in proxy.routes.judge(&asked) {
            let title = route.name.as_ref().map_or("all requests".to_owned(), |name| format!("route {name}"));
            match judged {
                Err(mismatch) => lines.push(format!("{title}: not taken: {mismatch}")),
                Ok(()) => {
                    lines.push(format!("{title}: taken"));
                    let is_ambiguous = proxy.routes.is_ambiguous(&asked);
                    lines.extend(self.fate(proxy, route, is_ambiguous).map(|line| format!("  {line}")));
                    return lines;
                }
            }
        }
        lines.push("no route is for it: 404, errorCode 114".to_owned());
        lines
    }

    /// What happens to the request on a route that it takes.
    fn fate(&self, proxy: &ProxyConfig, route: &RouteConfig, is_ambiguous: bool) -> [String; 3] {
        let policy = match &route.policy {
            Policy::Require { keys, profile } => {
                let done = match proxy.mode {
                    Mode::Inbound(_) => "opened, and its reply sealed",
                    Mode::Outbound(_) => "sealed, and its reply opened",
                };
                format!(
                    "policy require: it is {done}, by profile {}, with the keys of {keys}",
                    profile.name()
                )
            }
            Policy::Migrate { keys, profile, migration } => {
                let plain = if is_ambiguous {
                    "a plain one is refused, since the target can be read in more than one way".to_owned()
                } else {
                    let Migration { from, until, .. } = migration;
                    let until = until
                        .map_or_else(|| ", without an end".to_owned(), |until| format!(" until {until}"));
                    format!("a plain one from {from} passes{until}, and so does its reply")
                };
                format!(
                    "policy {}: if sealed it is opened, and its reply sealed, by profile {}, with the keys of {keys}; {plain}",
                    migration.policy,
                    profile.name()
                )
            }
            Policy::Bypass => "policy bypass: it passes plain, and so does its reply".to_owned(),
        };
        let upstream = route.upstream.authority();
        let host = match proxy.host {
            HostPolicy::Pass => &self.authority,
            HostPolicy::Upstream => &upstream,
        };
        let path = route.rewritten(&self.path).unwrap_or_else(|| self.path.clone());
        [
            policy,
            format!("upstream {}", route.upstream),
            format!("asked there for {} {}, host {host}", self.method, self.target(&path)),
        ]
    }

    fn target(&self, path: &str) -> String {
        match &self.query {
            None => path.to_owned(),
            Some(query) => format!("{path}?{query}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_is_get_unless_it_is_written() {
        let shown = |text: &str| text.parse::<Question>().unwrap().to_string();
        assert_eq!(shown("https://a.test/b?c"), "GET https://a.test/b?c");
        assert_eq!(shown(" POST  http://a.test:1 "), "POST http://a.test:1/");
        assert_eq!(shown("OPTIONS wss://[::1]/../%2e"), "OPTIONS wss://[::1]/../%2e");
    }

    #[test]
    fn text_that_is_no_request_is_refused() {
        for (text, fault) in [
            ("", QuestionFault::Words),
            ("GET https://a.test/b c", QuestionFault::Words),
            ("get https://a.test/", QuestionFault::Method),
            ("G(T https://a.test/", QuestionFault::Method),
            ("/orders", QuestionFault::Url),
            ("a.test/orders", QuestionFault::Url),
            ("ftp://a.test/", QuestionFault::Url),
            ("https://u@a.test/", QuestionFault::Url),
            ("https://a.test/#b", QuestionFault::Url),
            ("https:///orders", QuestionFault::Url),
        ] {
            assert_eq!(text.parse::<Question>().unwrap_err(), fault, "{text}");
        }
    }
}
