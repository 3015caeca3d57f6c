//! The client that fetches keys, against a portal in another process that behaves in every way a portal can.

mod answers;
mod switch;
mod transport;

use std::time::Duration;

use alewife::net::{CaFile, Roots};
use alewife::sources::portal::{Answer, FetchFault, PortalClient, PortalConfig, Validator};

use crate::support::{PATIENCE, Portal};

const DOCUMENT: &str = "{\"keys\":[]}";

/// For fetches of `portal`'s document. Trusts its authority alone, and takes 64 KiB at most.
fn config(portal: &Portal) -> PortalConfig {
    let url = portal.url();
    let roots = match url.starts_with("https") {
        true => Roots::File(CaFile::read(portal.ca_file()).unwrap()),
        false => Roots::WebPki,
    };
    PortalConfig {
        url: url.parse().unwrap(),
        headers: Vec::new(),
        roots,
        identity: None,
        connect_timeout: PATIENCE,
        timeout: PATIENCE,
        max_answer: 64 * 1024,
    }
}

/// One fetch by a client that has not asked before.
async fn fetch(config: PortalConfig, validator: Option<&Validator>) -> Result<Answer, FetchFault> {
    PortalClient::new(config).fetch(validator).await
}

async fn fault_of(config: PortalConfig) -> FetchFault {
    match fetch(config, None).await {
        Err(fault) => fault,
        Ok(Answer::Document { text, .. }) => panic!("a document of {} bytes was taken", text.len()),
        Ok(Answer::NotModified) => panic!("it was taken for unchanged"),
    }
}

async fn document_of(config: PortalConfig) -> (String, Option<Validator>) {
    match fetch(config, None).await {
        Ok(Answer::Document { text, validator }) => (text.to_string(), validator),
        Ok(Answer::NotModified) => panic!("it was taken for unchanged"),
        Err(fault) => panic!("{fault}"),
    }
}

/// A patience that runs out in a test, but not before a busy machine has shaken hands.
const SHORT: Duration = Duration::from_secs(1);
