//! The configuration that the command line stands for.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{self, Path};

use super::Args;
use crate::config::Config;
use crate::document::{Fault, Faults};

/// What faults of the text call it, which nobody ever sees as a file.
const NAME: &str = "alewife dev";

/// What the text says by which flag.
const FLAGS: [(&str, &str); 4] = [
    ("proxy.dev.listen", "--listen"),
    ("proxy.dev.profile", "--profile"),
    ("proxy.dev.upstream", "--to"),
    ("keys.file", "--keys"),
];

/// One proxy `dev` with the keys of `keys`.
pub(super) fn config(args: &Args, keys: &Path) -> Result<Config, Faults> {
    let keys = path::absolute(keys).unwrap_or_else(|_| keys.to_owned());
    let keys = keys.to_str().ok_or_else(|| Fault {
        file: NAME.into(),
        place: None,
        key_path: "keys.file".to_owned(),
        problem: format!("{} is no UTF-8", keys.display()),
        remedy: "give the key file another path".to_owned(),
    })?;
    Config::of_text(&text(args, keys), NAME)
}

fn text(args: &Args, keys: &str) -> String {
    let mode = if args.outbound { "outbound" } else { "inbound" };
    let profile = args.profile.as_ref().map(|name| format!("profile = {}\n", quoted(name)));
    format!(
        "workers = 1\nshutdown_grace = \"2s\"\n\n[keys]\nfile = {}\nseal_delay = \"0s\"\n\n[admin]\nlisten = \"off\"\n\n\
         [log]\nlevel = \"warn\"\nformat = \"text\"\naccess = false\n\n\
         [[proxy]]\nname = \"dev\"\nmode = \"{mode}\"\nlisten = \"{}\"\nupstream = {}\n{}",
        quoted(keys),
        args.listen,
        quoted(&upstream(&args.to)),
        profile.unwrap_or_default()
    )
}

/// The upstream as a configuration has it: people write where it is, as they would for curl.
fn upstream(to: &str) -> String {
    if to.contains("://") || to.starts_with("unix:") {
        to.to_owned()
    } else if to.parse::<u16>().is_ok() {
        format!("http://127.0.0.1:{to}")
    } else {
        format!("http://{to}")
    }
}

/// As a string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// An address of this machine; a port alone is one, and `localhost` is 127.0.0.1.
pub(super) fn loopback(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    let address = match port.parse::<u16>() {
        Ok(port) => (Ipv4Addr::LOCALHOST, port).into(),
        Err(_) => text.parse::<SocketAddr>().map_err(|_| "expected 127.0.0.1:PORT or [::1]:PORT")?,
    };
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "other machines could reach {}, and `alewife dev` is for this one only; write 127.0.0.1:{}, or use `alewife run`",
            address.ip(),
            address.port()
        ))
    }
}

/// The flag that a fault is of, if it is that of one.
pub(super) fn flag(fault: &Fault) -> Option<&'static str> {
    let known = FLAGS.iter().find(|(key, _)| *fault.file == *NAME && fault.key_path == *key);
    known.map(|(_, flag)| *flag)
}

/// The key for development does not do for a profile: what is to be done about that.
pub(super) fn needs_key(fault: &mut Fault) {
    "make one with `alewife keygen --algorithm NAME > keys.toml`, and name it with --keys keys.toml"
        .clone_into(&mut fault.remedy);
}

/// The fault in terms of the command line, where it is of that.
pub(super) fn told(fault: &Fault) -> String {
    let Some(flag) = flag(fault) else { return fault.to_string() };
    // The remedies of profiles speak of tables of a configuration.
    let also = if flag == "--profile" {
        "; what stands in a configuration is for `alewife run --config`"
    } else {
        ""
    };
    format!("{NAME}: {flag}: {}\n    remedy: {}{also}", fault.problem, fault.remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(to: &str, profile: Option<&str>) -> Args {
        let listen = "127.0.0.1:7080".parse().unwrap();
        let inspect = "127.0.0.1:7090".parse().unwrap();
        let profile = profile.map(str::to_owned);
        let (outbound, no_inspect, keep) = (false, false, 1000);
        Args { to: to.to_owned(), profile, keys: None, outbound, listen, inspect, no_inspect, keep }
    }

    #[test]
    fn place_of_the_application_is_taken_as_people_write_it() {
        for (to, meant) in [
            ("localhost:3000", "http://localhost:3000"),
            ("3000", "http://127.0.0.1:3000"),
            ("[::1]:3000", "http://[::1]:3000"),
            ("https://peer.example", "https://peer.example:443"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            let config = config(&args(to, None), Path::new("keys.toml")).unwrap();
            let destination = config.proxies[0].routes.destination();
            assert!(destination == meant || format!("{destination}:443") == meant, "{to}: {destination}");
        }
    }

    #[test]
    fn text_of_the_command_line_says_nothing_else_in_the_configuration() {
        let odd = "a\"\nmode = \"outbound\"\nx = \"";
        for args in [args(odd, None), args("localhost:3000", Some(odd))] {
            let faults = config(&args, Path::new("my \"keys\"\n.toml")).unwrap_err();
            assert_eq!(faults.iter().count(), 1, "{faults}");
            assert!(faults.iter().all(|fault| flag(fault).is_some()), "{faults}");
        }
    }

    #[test]
    fn fault_is_told_by_its_flag() {
        let faults = config(&args("http://localhost:3000/path", None), Path::new("k")).unwrap_err();
        let told: String = faults.iter().map(told).collect();
        assert!(told.starts_with("alewife dev: --to: ") && told.contains("\n    remedy: "), "{told}");
    }

    #[test]
    fn only_addresses_of_this_machine_are_listened_on() {
        for (text, meant) in [
            ("127.0.0.1:7080", "127.0.0.1:7080"),
            ("[::1]:1", "[::1]:1"),
            ("81", "127.0.0.1:81"),
            ("localhost:82", "127.0.0.1:82"),
        ] {
            assert_eq!(loopback(text).unwrap(), meant.parse().unwrap());
        }
        for text in ["0.0.0.0:7080", "[::]:7080", "192.0.2.1:80"] {
            assert!(loopback(text).unwrap_err().contains("`alewife run`"), "{text}");
        }
        assert!(loopback("kitchen:80").unwrap_err().starts_with("expected "));
    }
}
