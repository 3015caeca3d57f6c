//! The body of a request, from the command line, a file or standard input.

use std::io::{self, Read};

use super::fault::SendFault;

/// `--data` and its kin; at most one kind is given.
#[derive(Debug, clap::Args)]
pub(super) struct DataArgs {
    /// The body; @FILE reads it from a file without its line ends, @- from standard input
    #[arg(short, long, value_name = "DATA|@FILE|@-", allow_hyphen_values = true)]
    data: Vec<String>,
    /// Like --data, but a file is taken byte for byte
    #[arg(long, value_name = "DATA|@FILE|@-", allow_hyphen_values = true, conflicts_with_all = ["data", "data_raw", "json"])]
    data_binary: Vec<String>,
    /// Like --data, but @ means nothing
    #[arg(long, value_name = "DATA", allow_hyphen_values = true, conflicts_with_all = ["data", "json"])]
    data_raw: Vec<String>,
    /// Like --data-binary, as application/json
    #[arg(long, value_name = "DATA|@FILE|@-", allow_hyphen_values = true, conflicts_with = "data")]
    json: Vec<String>,
}

/// What the arguments come to.
pub(super) struct Data {
    pub(super) body: Vec<u8>,
    /// Whether it was given by `--json`.
    pub(super) is_json: bool,
}

impl DataArgs {
    /// Whether a body is asked for at all.
    pub(super) fn is_given(&self) -> bool {
        [&self.data, &self.data_binary, &self.data_raw, &self.json].iter().any(|values| !values.is_empty())
    }

    /// The whole body; `None` if there is none.
    pub(super) fn read(&self) -> Result<Option<Data>, SendFault> {
        let given: [(&[String], &[u8], Take); 4] = [
            (&self.data, b"&", Take::WithoutLineEnds),
            (&self.data_binary, b"&", Take::Whole),
            (&self.data_raw, b"&", Take::Literally),
            (&self.json, b"", Take::Whole),
        ];
        let Some((values, between, take)) = given.into_iter().find(|(values, _, _)| !values.is_empty())
        else {
            return Ok(None);
        };
        let pieces = values.iter().map(|value| take.read(value)).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Data { body: pieces.join(between), is_json: !self.json.is_empty() }))
    }
}

/// How a value becomes bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    Literally,
    Whole,
    /// curl leaves out what would break a form.
    WithoutLineEnds,
}

impl Take {
    fn read(self, value: &str) -> Result<Vec<u8>, SendFault> {
        let Some(name) = value.strip_prefix('@').filter(|_| self != Self::Literally) else {
            return Ok(value.as_bytes().to_vec());
        };
        let mut bytes =
            read_named(name).map_err(|source| SendFault::File { name: name.to_owned(), source })?;
        if self == Self::WithoutLineEnds {
            bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
        }
        Ok(bytes)
    }
}

fn read_named(name: &str) -> io::Result<Vec<u8>> {
    if name != "-" {
        return std::fs::read(name);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
