//! Where a ping ended, if it did not come back.

use std::io;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use super::super::socket::SocketFault;
use crate::net::ListenAddress;

/// Why an echo did not come back.
#[derive(Debug, thiserror::Error)]
pub(super) enum PingFault {
    /// What came back is not what was sent.
    #[error("the far side opened something else than was sent")]
    EchoDiffers,
    /// 104.
    #[error("the far side broke the exchange")]
    FarBroke,
    /// 111: an error that is not sealed, so that only the status can be told, and the errorCode.
    #[error("the far side refused with {status}{}", refusal(*.code))]
    FarRefused { status: StatusCode, code: Option<u64> },
    /// 107.
    #[error("the far side did not answer the near sidecar in time")]
    FarTimedOut,
    /// 103.
    #[error("the near sidecar does not reach the far side")]
    FarUnreachable,
    /// The near sidecar hung up.
    #[error("the near sidecar broke the exchange: {0}")]
    NearBroke(#[source] hyper::Error),
    /// Nobody listens.
    #[error("the near sidecar does not listen on {address}: {source}")]
    NearUnreachable { address: ListenAddress, source: io::Error },
    /// The configuration has it take a socket that somebody else binds.
    #[error("listen names a socket that is passed at the start, so nobody knows where the near sidecar is")]
    NearInherited,
    /// Echoes go in clear.
    #[error("the near sidecar listens under TLS, and a ping goes in clear")]
    NearTls,
    /// 106.
    #[error("the near sidecar has no key that seals now")]
    NoKey,
    /// The configuration leaves the port to the system.
    #[error("listen names port 0, so nobody knows where the near sidecar is")]
    NoPort,
    /// None of the proxy's routes is for it, or only one that seals nothing.
    #[error("no route that seals is for a ping")]
    NoRoute,
    /// Somebody else answered.
    #[error("the answer ({0}) is not that of a sidecar")]
    NotASidecar(StatusCode),
    /// 108.
    #[error("the near sidecar does not believe the far side's reply: it is not sealed as it should be")]
    NotBelieved,
    /// Another one of the sidecars' own errors.
    #[error("{status}, errorCode {code}")]
    Refused { status: StatusCode, code: u64 },
    /// The WebSocket ended before its time.
    #[error("{0}")]
    Socket(#[source] SocketFault),
    /// The time is up.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

fn refusal(code: Option<u64>) -> String {
    match code {
        None => String::new(),
        Some(1) => ", errorCode 1: it finds no envelope in what it gets".to_owned(),
        Some(2) => ", errorCode 2: it cannot open what this side seals".to_owned(),
        Some(3) => ", errorCode 3: it does not know the key that this side seals with".to_owned(),
        Some(code) => format!(", errorCode {code}"),
    }
}

impl From<SocketFault> for PingFault {
    fn from(fault: SocketFault) -> Self {
        match fault {
            SocketFault::Refused { status, body } => Self::of_answer(status, &body),
            SocketFault::Broke(source) => Self::NearBroke(source),
            other => Self::Socket(other),
        }
    }
}

/// An error as the sidecars tell it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    error_code: u64,
    peer_error_code: Option<u64>,
}

impl PingFault {
    /// What an answer that is no report means.
    pub(super) fn of_answer(status: StatusCode, body: &[u8]) -> Self {
        let is_error = status.is_client_error() || status.is_server_error();
        let Some(told) = serde_json::from_slice::<Told>(body).ok().filter(|_| is_error) else {
            return Self::NotASidecar(status);
        };
        match told.error_code {
            103 => Self::FarUnreachable,
            104 => Self::FarBroke,
            106 => Self::NoKey,
            107 => Self::FarTimedOut,
            108 => Self::NotBelieved,
            111 => Self::FarRefused { status, code: told.peer_error_code },
            code => Self::Refused { status, code },
        }
    }

    /// What to do about it.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::EchoDiffers => "give both sides the same key under that fingerprint, algorithm and secret",
            Self::FarBroke => "see whether an Alewife in inbound mode listens there, and read its log",
            Self::FarRefused { code: Some(1), .. } => {
                "see what stands between the two: something removes sec-iv or sec-fingerprint"
            }
            Self::FarRefused { code: Some(2 | 3), .. } => {
                "give both sides the same key, and see that both clocks are inside its window"
            }
            Self::FarRefused { .. } => {
                "see whether an Alewife in inbound mode listens there, with answer_ping = true"
            }
            Self::FarTimedOut => "see whether the far side runs and what stands between the two",
            Self::FarUnreachable => {
                "start the far side, see that upstream is its address, and read the near sidecar's log for the reason"
            }
            Self::NearBroke(_) => "see whether it is the sidecar that listens there, and read its log",
            Self::NearInherited | Self::NearTls => {
                "ask a proxy with the same keys and upstream that listens in clear on the loopback"
            }
            Self::NearUnreachable { .. } => "start it with `alewife run` and the same configuration",
            Self::NoKey => "see which keys are valid with `alewife check`",
            Self::NoPort => "write a port of your own",
            Self::NoRoute => {
                "write a route with path = \"/.well-known/alewife/ping\" that leads to the peer to be asked"
            }
            Self::NotASidecar(_) => {
                "see that the far side is an Alewife in inbound mode with answer_ping = true, and that both sides have \
                 the same key"
            }
            Self::NotBelieved => {
                "see that the far side has seal_replies = true, or that `replies` here says what it does"
            }
            Self::Refused { .. } => "read the log of the near sidecar",
            Self::Socket(_) => "read the logs of both sidecars",
            Self::TimedOut(_) => "read the log of the near sidecar, or allow more with --timeout",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> String {
        PingFault::of_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes()).to_string()
    }

    #[test]
    fn each_error_of_the_sidecars_says_where_the_way_ended() {
        let table = [
            (502, 103, "the near sidecar does not reach the far side"),
            (502, 104, "the far side broke the exchange"),
            (503, 105, "503 Service Unavailable, errorCode 105"),
            (503, 106, "the near sidecar has no key that seals now"),
            (504, 107, "the far side did not answer the near sidecar in time"),
            (
                502,
                108,
                "the near sidecar does not believe the far side's reply: it is not sealed as it should be",
            ),
            (404, 111, "the far side refused with 404 Not Found"),
        ];
        for (status, code, message) in table {
            assert_eq!(told(status, &format!(r#"{{"errorCode":{code},"message":"m"}}"#)), message);
        }
    }

    #[test]
    fn error_code_of_the_far_side_is_told_in_words() {
        let refused = |code| {
            let body = format!(r#"{{"errorCode":111,"message":"m","peerErrorCode":{code}}}"#);
            told(400, &body)
        };
        let told = "the far side refused with 400 Bad Request, errorCode";
        assert_eq!(refused(1), format!("{told} 1: it finds no envelope in what it gets"));
        assert_eq!(refused(2), format!("{told} 2: it cannot open what this side seals"));
        assert_eq!(refused(3), format!("{told} 3: it does not know the key that this side seals with"));
        assert_eq!(refused(100), format!("{told} 100"));
    }

    #[test]
    fn what_no_sidecar_tells_is_no_report() {
        for (status, body) in [(200, r#"{"errorCode":103}"#), (200, "ok"), (500, "<html>"), (404, "{}")] {
            assert!(matches!(
                PingFault::of_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes()),
                PingFault::NotASidecar(told) if told == status
            ));
        }
    }
}
