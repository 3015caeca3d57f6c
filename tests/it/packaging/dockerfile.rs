//! The image, as far as its `Dockerfile` tells without building it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One instruction with what follows it, its continued lines joined.
struct Instruction {
    name: String,
    rest: String,
}

impl Instruction {
    /// The strings of a JSON array that ends the instruction: `CMD ["a", "b"]`.
    fn exec_form(&self) -> Vec<String> {
        let array = &self.rest[self.rest.find('[').expect("an array of strings")..];
        serde_json::from_str(array).unwrap()
    }

    /// The words that are no flags.
    fn words(&self) -> Vec<&str> {
        self.rest.split_whitespace().filter(|word| !word.starts_with("--")).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The instructions by stage; each stage begins with its `FROM`.
fn stages() -> Vec<Vec<Instruction>> {
    let text = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let uncommented: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = uncommented.join("\n").replace("\\\n", " ");
    let mut stages: Vec<Vec<Instruction>> = Vec::new();
    for line in joined.lines().filter(|line| !line.trim().is_empty()) {
        let (name, rest) = line.trim().split_once(char::is_whitespace).unwrap();
        let instruction = Instruction { name: name.to_ascii_uppercase(), rest: rest.trim().to_owned() };
        if instruction.name == "FROM" {
            stages.push(Vec::new());
        }
        stages.last_mut().expect("a Dockerfile begins with FROM").push(instruction);
    }
    stages
}

fn last_stage() -> Vec<Instruction> {
    stages().pop().unwrap()
}

/// The last instruction of this name in the image's own stage, which is the one that holds.
fn of_the_image(name: &str) -> Instruction {
    last_stage().into_iter().rfind(|instruction| instruction.name == name).unwrap()
}

/// The user and group that the image runs as.
pub(super) fn user() -> (u32, u32) {
    let user = of_the_image("USER").rest;
    let (user, group) = user.split_once(':').unwrap_or_else(|| panic!("{user}: user and group"));
    (user.parse().unwrap(), group.parse().unwrap())
}

/// The command of its HEALTHCHECK.
pub(super) fn health_check() -> Vec<String> {
    of_the_image("HEALTHCHECK").exec_form()
}

fn help() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_alewife")).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn is_command(name: &str) -> bool {
    help().lines().any(|line| line.split_whitespace().next() == Some(name))
}

#[test]
fn image_holds_nothing_but_what_is_static() {
    let base = of_the_image("FROM").rest;
    assert!(base == "scratch" || base.starts_with("gcr.io/distroless/static"), "{base}");
    assert!(last_stage().iter().all(|instruction| instruction.name != "RUN"), "there is no shell to run it");
}

#[test]
fn image_runs_as_a_user_by_number_who_is_not_root() {
    let (user, group) = user();
    assert!(user >= 1000 && group >= 1000, "{user}:{group}");
}

#[test]
fn health_check_and_default_command_are_commands_of_the_binary() {
    let entry = of_the_image("ENTRYPOINT").exec_form();
    let health = health_check();
    let default = of_the_image("CMD").exec_form();
    assert_eq!((entry.len(), &health[0]), (1, &entry[0]));
    assert_eq!(health[1], "healthcheck");
    assert!(is_command(&health[1]), "{}", help());
    assert_eq!(default[0], "run");
    assert!(is_command(&default[0]), "{}", help());
}

#[test]
fn what_is_copied_is_there() {
    let stages = stages();
    let names: Vec<&str> =
        stages.iter().filter_map(|stage| stage[0].rest.split_once(" AS ").map(|(_, name)| name)).collect();
    let copies: Vec<&Instruction> = stages.iter().flatten().filter(|i| i.name == "COPY").collect();
    assert!(!copies.is_empty());
    for copy in copies {
        let words = copy.words();
        let (_, sources) = words.split_last().unwrap();
        match copy.rest.strip_prefix("--from=").and_then(|rest| rest.split_whitespace().next()) {
            Some(stage) => assert!(names.contains(&stage), "no stage {stage}"),
            None => sources.iter().for_each(|source| assert!(root().join(source).exists(), "no {source}")),
        }
    }
}

#[test]
fn binary_is_copied_from_where_cargo_puts_it_to_where_it_is_started() {
    let copy = of_the_image("COPY");
    let words = copy.words();
    assert_eq!(Path::new(words[0]).strip_prefix("/build").unwrap(), Path::new("target/release/alewife"));
    assert_eq!(words[1], of_the_image("ENTRYPOINT").exec_form()[0]);
}

#[test]
fn build_reads_nothing_that_is_kept_out_of_its_context() {
    let ignored = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_start_matches('/')).collect();
    let needed: Vec<PathBuf> = ["Cargo.toml", "Cargo.lock", "src"].map(PathBuf::from).into();
    for path in needed {
        assert!(root().join(&path).exists());
        assert!(!ignored.contains(&path.to_str().unwrap()), "{} is ignored", path.display());
    }
    assert!(ignored.contains(&".git") && ignored.contains(&"target"));
}

#[test]
fn label_of_the_version_is_that_of_the_package() {
    let labels = of_the_image("LABEL").rest;
    let version = format!("org.opencontainers.image.version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(labels.contains(&version), "{labels}");
}

#[test]
fn build_is_for_every_processor_unless_it_is_told_otherwise() {
    let stages = stages();
    let of_the_build = |name: &str| {
        let mut found = stages[0].iter().filter(|instruction| instruction.name == name);
        (found.next().map(|instruction| instruction.rest.clone()), found.count())
    };
    assert_eq!(of_the_build("ARG"), (Some("TARGET_CPU=\"\"".to_owned()), 0));
    let flags = "RUSTFLAGS=\"${TARGET_CPU:+-C target-cpu=$TARGET_CPU}\"";
    assert_eq!(of_the_build("ENV"), (Some(flags.to_owned()), 0));
}

#[test]
fn compiler_of_the_image_is_no_older_than_the_crate_demands() {
    let base = stages()[0][0].rest.clone();
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let demanded = version(manifest["package"]["rust-version"].as_str().unwrap());
    let tag = base.strip_prefix("rust:").unwrap();
    assert!(version(tag) >= demanded, "{base} against {demanded:?}");
}

/// Major and minor number at the beginning of `text`.
fn version(text: &str) -> (u32, u32) {
    let (major, rest) = text.split_once('.').unwrap();
    let minor = rest.split(|character: char| !character.is_ascii_digit()).next().unwrap();
    (major.parse().unwrap(), minor.parse().unwrap())
}
