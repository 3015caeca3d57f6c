//! The window for messages that come a second time.

use std::time::Duration;

use super::{faults, parse, with};
use crate::ale::ReplayWindow;
use crate::proxy::ReplayConfig;

fn replay(lines: &str) -> Option<ReplayConfig> {
    parse(&with(lines)).unwrap().proxies.remove(0).replay
}

#[test]
fn window_is_off_unless_it_is_written() {
    assert_eq!(replay("forwarded = \"append\""), None);
    assert_eq!(replay("replay_window = \"off\""), None);
    let config = replay("replay_window = \"24h\"").unwrap();
    assert_eq!((config.window, config.entries.get()), (Duration::from_secs(86_400), 1_000_000));
    assert_eq!(replay("replay_window = \"1h\"\nreplay_entries = 7").unwrap().entries.get(), 7);
}

#[test]
fn entries_without_a_window_are_a_fault() {
    let fault = "8:18: proxy.kitchen.replay_entries: nothing to use it for, since replay_window is off";
    assert_eq!(faults(&with("replay_entries = 7")), [fault]);
    // A window that cannot be read is told, and not what hangs on it.
    let wrong = faults(&with("replay_window = \"ever\"\nreplay_entries = 7"));
    assert_eq!(wrong, ["8:17: proxy.kitchen.replay_window: \"ever\" is not a duration"]);
}

#[test]
fn number_of_entries_has_bounds() {
    for number in ["0", "-1", "100000001"] {
        let text = with(&format!("replay_window = \"1h\"\nreplay_entries = {number}"));
        let fault = format!("9:18: proxy.kitchen.replay_entries: {number} is not a number of messages");
        assert_eq!(faults(&text), [fault]);
    }
    let most = replay("replay_window = \"1h\"\nreplay_entries = 100_000_000").unwrap();
    assert_eq!(most.entries.get(), ReplayWindow::MOST_ENTRIES);
}
