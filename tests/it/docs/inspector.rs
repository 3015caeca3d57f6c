//! docs/INSPECTOR.md against the code.

use alewife::inspector::DEFAULT_NAMES;

use super::read;

#[test]
fn names_that_are_masked_are_those_of_the_code() {
    let text = read("docs/INSPECTOR.md");
    let beside = text.split("## Beside `alewife run`").nth(1).unwrap();
    let block = beside.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(block.split_whitespace().collect::<Vec<_>>(), DEFAULT_NAMES);
}
