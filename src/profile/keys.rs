//! What each key of a profile says, in a line: for whoever prints a profile or documents it.

/// Each key of [`super::Draft::settings`] with `preset` and `static_iv`, in the order of the documentation.
const KEYS: [(&str, &str); 25] = [
    ("preset", "the profile that holds where nothing else is written"),
    ("algorithm", "the only one that keys may have, or \"key\" for each key's own"),
    ("iv", "where the iv stands; \"prefix\" is before the ciphertext, \"static\" in no message"),
    ("iv_length", "12, 16, or \"any\": either when opening (12 under GCM only), 16 when sealing"),
    ("iv_encoding", "how it is written at its place, and in static_iv"),
    ("static_iv", "the iv that both sides know, by reference: { file = \"PATH\" } or { env = \"VARIABLE\" }"),
    ("danger_static_iv", "lets several values or messages be sealed under one iv, which betrays them"),
    ("tag", "where the tag of GCM stands; \"appended\" and \"before\" are beside the ciphertext"),
    ("tag_length", "how many bytes of it travel, 12 to 16"),
    ("tag_encoding", "how it is written at a place of its own"),
    ("danger_no_tag", "lets GCM do without a tag: whoever is on the line can change messages unnoticed"),
    ("fingerprint", "how a message names its key; \"key:FINGERPRINT\" and \"sealing-key\" are in no message"),
    ("aad", "what GCM authenticates besides; \"context\" is direction, method and target"),
    ("padding", "what stands behind the plaintext; \"pkcs7\" for clients that pad under CFB"),
    ("scope", "what is sealed: the body, one member or field of it, or values each by itself"),
    (
        "becomes",
        "what the plaintext of one member or field is then: the body, or a text or json in its place",
    ),
    ("encoding", "how ciphertext is written; raw only where it is the whole body"),
    ("content_type", "what an opened body is said to be; \"\" leaves what the message says"),
    ("include", "with scope \"values\": which; none for every one of query, form and JSON"),
    ("exclude", "of those, the ones that stay as they are"),
    ("optional", "of those, the ones that may be absent or empty"),
    ("literal", "where in JSON an opened value is a number, boolean or null rather than a string"),
    ("seal_replies", "whether replies are sealed as well"),
    ("credential_mismatch", "whether an unknown key is told apart (errors.unknown_key)"),
    ("bodyless_methods", "methods that may come without a body, and then without a tag"),
];

/// What `key` says, in a line without a full stop; `None` if a profile has no such key.
pub fn about(key: &str) -> Option<&'static str> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, about)| *about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Draft;

    #[test]
    fn every_key_has_a_line_and_no_line_is_of_a_key_that_is_none() {
        let of_draft = Draft::default().settings();
        let mut known: Vec<_> = of_draft.iter().map(|(key, _)| *key).collect();
        known.insert(0, "preset");
        known.insert(5, "static_iv");
        assert_eq!(KEYS.map(|(key, _)| key).to_vec(), known);
    }
}
