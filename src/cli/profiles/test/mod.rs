//! `alewife profiles test`: sample requests before and after, and whether each came as expected.

mod choice;
mod expect;
mod http_file;
mod show;
mod way;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;

use self::choice::{Chosen, Untouched};
use self::http_file::Sample;
use self::way::{Came, WayFault};
use super::super::exit::Exit;
use super::super::{complain, print};
use crate::ale::WholeFault;
use crate::document::Faults;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
FILE holds requests as editors send them: parted by lines that begin with ###, each a request line, headers, an empty \
line and a body. A body of one line `< FILE` is the content of that file. Lines that begin with # or // before the request \
line are comments, and one of them may say what is expected: `# expect: opens`, `# expect: errorCode 2`, or the reason that \
a log would have, `# expect: missing_value at query:phone`. A request without one is expected to open, or to seal.

Each is opened as an inbound proxy would do it, or with --outbound sealed, and then opened again to see that it is the \
same. Framing, required headers and replays are not looked at, and nothing is sent. The plaintext is shown: that is what \
this command is for, so use it on samples. `-` marks what there is only before, `+` what there is only after.

Exit status: 0 if all came as expected, 64 for a wrong command line, 78 for a wrong configuration or key file, 1 otherwise.

Examples:
  alewife profiles test samples.http --config config.toml
  alewife profiles test samples.http --profile payon --keys keys.toml
  alewife profiles test plain.http --profile ale --keys keys.toml --outbound")]
pub(super) struct Args {
    /// The file with the requests
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The configuration that says which profile and which keys
    #[arg(long, value_name = "FILE", required_unless_present = "keys")]
    config: Option<PathBuf>,
    /// The proxy of it whose they are; the only one unless given
    #[arg(long, value_name = "NAME", requires = "config")]
    proxy: Option<String>,
    /// Another profile: one of the configuration's own or a preset; ale unless anything says otherwise
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Another key file
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Seals the requests, as an outbound proxy would do it
    #[arg(long)]
    outbound: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match report(args, Timestamp::now()) {
        Ok(Report { text, unexpected: 0 }) => print(&text).into(),
        Ok(Report { text, .. }) => {
            print(&text);
            Exit::Failure.into()
        }
        Err(fault) => {
            match &fault {
                TestFault::Configuration(faults) => complain(&faults.to_string()),
                fault => complain(&format!("alewife profiles test: {fault}")),
            }
            fault.exit().into()
        }
    }
}

/// What is shown of all requests.
struct Report {
    text: String,
    unexpected: usize,
}

fn report(args: &Args, now: Timestamp) -> Result<Report, TestFault> {
    let name = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| TestFault::File(format!("{name}: it cannot be read: {error}")))?;
    let directory = args.file.parent().unwrap_or(Path::new(""));
    let samples =
        http_file::read(&text, directory).map_err(|fault| TestFault::File(format!("{name}:{fault}")))?;
    if samples.is_empty() {
        return Err(TestFault::File(format!("{name}: there is no request in it")));
    }
    let choice = choice::Choice::read(args, now)?;
    let mut report = Report { text: String::new(), unexpected: 0 };
    for (index, sample) in samples.iter().enumerate() {
        let chosen = match choice.of(&sample.head) {
            Ok(chosen) => chosen,
            Err(untouched) => {
                let is_expected = write_untouched(&mut report.text, &name, (index + 1, sample), &untouched);
                report.unexpected += usize::from(!is_expected);
                continue;
            }
        };
        let came =
            if args.outbound { way::seal(&chosen, sample, now)? } else { way::open(&chosen, sample, now) };
        let is_expected = write(&mut report.text, &name, (index + 1, sample), &chosen, &came);
        report.unexpected += usize::from(!is_expected);
    }
    let (all, unexpected) = (samples.len(), report.unexpected);
    // Writing to a string does not fail.
    let _ = writeln!(
        report.text,
        "{all} {}, {} as expected",
        if all == 1 { "request" } else { "requests" },
        if unexpected == 0 { "all".to_owned() } else { format!("{unexpected} not") },
    );
    Ok(report)
}

/// Writes that nothing is done to a request; whether that is as expected.
fn write_untouched(
    text: &mut String,
    file: &str,
    (number, sample): (usize, &Sample),
    untouched: &Untouched,
) -> bool {
    let title = if sample.title.is_empty() { String::new() } else { format!(" {}", sample.title) };
    // Writing to a string does not fail.
    let _ = writeln!(text, "### {number}{title} ({file}:{})\n=> {untouched}", sample.line);
    let is_met = match &sample.expected {
        Some(expected) => expected.is_met_by(untouched),
        None => matches!(untouched, Untouched::Bypass(_)),
    };
    let expected = sample.expected.as_ref().map_or("that it passes".to_owned(), ToString::to_string);
    match is_met {
        true => text.push_str("   as expected\n\n"),
        false => text.push_str(&format!("   NOT AS EXPECTED, which is {expected}\n\n")),
    }
    is_met
}

/// Writes how a request came; whether that is as expected.
fn write(
    text: &mut String,
    file: &str,
    (number, sample): (usize, &Sample),
    chosen: &Chosen<'_>,
    came: &Came,
) -> bool {
    let title = if sample.title.is_empty() { String::new() } else { format!(" {}", sample.title) };
    let before = show::lines(&sample.head, &sample.body);
    // Writing to a string does not fail.
    let _ = writeln!(text, "### {number}{title} ({file}:{}), {}", sample.line, chosen.profile.name());
    let outcome = match came {
        Came::Refused(fault) => {
            text.push_str(&show::marked(&before, &before, '-'));
            let _ = writeln!(text, "=> refused: {fault}");
            Err(fault)
        }
        Came::Opened { head, body, key } => {
            write_both(text, sample, (head, body));
            let _ = writeln!(text, "=> opens, under the key {key}");
            Ok(())
        }
        Came::Sealed { head, body, key, again } => {
            write_both(text, sample, (head, body));
            let _ = writeln!(text, "=> seals, under the key {key}, and {again}");
            Ok(())
        }
    };
    let is_met = is_expected(sample, came, outcome);
    let expected = sample.expected.as_ref();
    match expected {
        _ if is_met => text.push_str("   as expected\n\n"),
        Some(expected) => {
            let _ = writeln!(text, "   NOT AS EXPECTED, which is {expected}\n");
        }
        None => text.push_str("   NOT AS EXPECTED, which is that it passes\n\n"),
    }
    is_met
}

fn is_expected(sample: &Sample, came: &Came, outcome: Result<(), &WholeFault>) -> bool {
    // Whatever is expected, what does not come back is wrong.
    if let Came::Sealed { again, .. } = came
        && !again.is_same()
    {
        return false;
    }
    sample.expected.as_ref().map_or(outcome.is_ok(), |expected| expected.is_met(outcome))
}

fn write_both(text: &mut String, sample: &Sample, (head, body): (&http::request::Parts, &[u8])) {
    let (before, after) = (show::lines(&sample.head, &sample.body), show::lines(head, body));
    text.push_str(&show::marked(&before, &after, '-'));
    text.push_str("=>\n");
    text.push_str(&show::marked(&after, &before, '+'));
    let changes = show::changes(&show::values(&sample.head, &sample.body), &show::values(head, body));
    changes.iter().for_each(|change| text.push_str(&format!("* {change}\n")));
}

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
enum TestFault {
    #[error(transparent)]
    Configuration(#[from] Faults),
    #[error("{0}")]
    Choice(String),
    #[error("{0}")]
    File(String),
    #[error(transparent)]
    Way(#[from] WayFault),
}

impl TestFault {
    fn exit(&self) -> Exit {
        match self {
            Self::Choice(_) => Exit::Usage,
            Self::Configuration(_) => Exit::WrongConfiguration,
            Self::File(_) | Self::Way(_) => Exit::Failure,
        }
    }
}
