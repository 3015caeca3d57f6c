//! What `alewife check` says of profiles: what cannot be used, and what is dangerous.

use super::{Callback, IV};
use crate::support::{Sidecar, SidecarBuilder, TestKey};

/// A sidecar of callbacks: this mode, lines of the profile, and of the proxy.
fn callbacks(mode: fn() -> SidecarBuilder, profile: &str, proxy: &str) -> SidecarBuilder {
    let callback = Callback::of("AES-256-GCM");
    mode()
        .keys(&[&TestKey::new("AES-128-CTR")])
        .proxy(&format!("profile = \"{0}\"\nkeys = \"{0}\"\n{proxy}", callback.name()))
        .tables(&callback.tables(profile))
        .file("iv", IV)
        .file("aes-256-gcm.toml", callback.entry())
}

fn assert_fault(builder: &SidecarBuilder, fault: &str) {
    let (status, output, errors) = builder.run(&["check"]);
    assert_eq!(status, 78, "{output}{errors}");
    assert!(errors.contains(fault), "{errors}");
    assert!(!errors.contains(IV), "{errors}");
}

fn warnings(builder: &SidecarBuilder) -> String {
    let (status, output, errors) = builder.run(&["check"]);
    assert_eq!(status, 0, "{output}{errors}");
    assert!(!errors.contains(IV) && !output.contains(IV), "{errors}");
    errors
}

#[test]
fn sealing_under_one_iv_is_a_fault_unless_its_danger_is_named_and_warned_of_then() {
    let fault = "it seals several values or messages under one iv";
    assert_fault(&callbacks(Sidecar::outbound, "", ""), fault);
    assert_fault(&callbacks(Sidecar::inbound, "seal_replies = true", ""), fault);
    assert_fault(&callbacks(Sidecar::inbound, "", "seal_replies = true"), fault);
    let named = warnings(&callbacks(Sidecar::outbound, "danger_static_iv = true", ""));
    assert!(named.contains("profile.aes-256-gcm.danger_static_iv"), "{named}");
    assert!(named.contains("all that is sealed under one iv betrays itself"), "{named}");
    let opening = warnings(&callbacks(Sidecar::inbound, "", ""));
    assert!(
        opening.contains("profile.aes-256-gcm.static_iv: the vendor seals all values under one iv"),
        "{opening}"
    );
}

#[test]
fn values_with_an_iv_of_their_own_need_no_danger_and_no_warning() {
    let safe = "[profile.safe]\npreset = \"kaleyra\"\niv = \"prefix\"\n";
    let builder =
        Sidecar::outbound().keys(&[&TestKey::new("AES-256-GCM")]).proxy("profile = \"safe\"").tables(safe);
    assert!(!warnings(&builder).contains("profile.safe"));
    let needless = format!("{safe}danger_static_iv = true\n");
    let builder = Sidecar::outbound()
        .keys(&[&TestKey::new("AES-256-GCM")])
        .proxy("profile = \"safe\"")
        .tables(&needless);
    assert_fault(&builder, "no two values or messages share an iv");
}

#[test]
fn gcm_without_its_tag_is_a_fault_unless_its_danger_is_named_and_warned_of_then() {
    assert_fault(&callbacks(Sidecar::inbound, "tag = \"none\"", ""), "GCM without a tag");
    let named = warnings(&callbacks(Sidecar::inbound, "tag = \"none\"\ndanger_no_tag = true", ""));
    assert!(named.contains("profile.aes-256-gcm.danger_no_tag"), "{named}");
}

#[test]
fn what_a_held_profile_has_no_use_for_is_a_fault_at_the_proxy() {
    let window = callbacks(Sidecar::inbound, "", "replay_window = \"1h\"");
    assert_fault(&window, "a replay window could not tell them apart");
    let replies = callbacks(Sidecar::outbound, "danger_static_iv = true", "replies = \"plain\"");
    assert_fault(&replies, "its replies are what its seal_replies says");
    let query = "[profile.query]\niv = \"query:iv\"\nseal_replies = false\n";
    let builder = Sidecar::inbound()
        .keys(&[&TestKey::new("AES-256-GCM")])
        .proxy("profile = \"query\"\nseal_replies = true")
        .tables(query);
    assert_fault(&builder, "replies are sealed, and have no query");
}

#[test]
fn key_and_iv_of_a_callback_have_exactly_as_many_characters_as_their_algorithm_takes() {
    for (length, wrong) in
        [(16, "AES-192-GCM"), (24, "AES-256-CFB"), (32, "AES-128-GCM"), (17, "AES-128-CFB")]
    {
        let mut callback = Callback::of(wrong);
        callback.key = "0123456789abcdefghijklmnopqrstuvwxyz"[..length].to_owned();
        let builder = Sidecar::inbound()
            .keys(&[&TestKey::new("AES-128-CTR")])
            .proxy(&format!("profile = \"{0}\"\nkeys = \"{0}\"", callback.name()))
            .tables(&callback.tables(""))
            .file("iv", IV)
            .file(&format!("{}.toml", callback.name()), callback.entry());
        assert_fault(&builder, &format!("{wrong} takes "));
    }
    for iv in ["fedcba987654321", "fedcba98765432100", "", "fedcba987654"] {
        let builder = callbacks(Sidecar::inbound, "", "").file("iv", iv);
        let (status, output, errors) = builder.run(&["check"]);
        assert_eq!(status, 78, "{iv:?}: {output}{errors}");
        assert!(errors.contains("profile.aes-256-gcm.static_iv"), "{iv:?}: {errors}");
    }
    // A file that an editor ended with a line.
    warnings(&callbacks(Sidecar::inbound, "", "").file("iv", format!("{IV}\n")));
}
