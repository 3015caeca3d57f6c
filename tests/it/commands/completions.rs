//! `alewife completions`, read by the shells that are here.

use std::io::Write;
use std::process::{Command, Stdio};

fn completions(shell: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_alewife")).args(["completions", shell]).output().unwrap();
    assert!(output.status.success(), "{shell}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_shell_gets_the_names_of_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = completions(shell);
        for command in ["check", "config", "healthcheck", "run", "send"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn bash_completes_a_command_from_its_beginning() {
    let ask = "COMP_WORDS=(alewife heal); COMP_CWORD=1; _alewife alewife heal alewife; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let script = format!("{}\n{ask}\n", completions("bash"));
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "healthcheck\n");
}
