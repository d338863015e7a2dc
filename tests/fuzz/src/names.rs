//! What is to be true of names and texts that a peer chose.

use tete::proto::name::{MAX_NAME, MAX_PREFIX, SafeName, check_prefix, twin_key};
use tete::proto::text::{MAX_SHOWN, Untrusted, is_dangerous};
use tete::term::json::{Object, line, parse_input};

use super::is_harmless;

/// The longest name of a file system.
const MAX_ENTRY: usize = 255;

/// What becomes of a name, behind any prefix and with any number, is one entry of the folder that it is meant for, which
/// is seen there and does nothing to a terminal; and it is its own safe name.
///
/// The data: the length of the prefix, the number, the prefix, the name.
pub(crate) fn name(data: &[u8]) {
    let [length, number, rest @ ..] = data else { return };
    let (prefix, offered) = rest.split_at(rest.len().min(usize::from(*length) % (MAX_PREFIX + 1)));
    let Ok(safe) = SafeName::check(offered) else { return };
    is_entry(safe.as_str());
    assert!(safe.as_str().len() <= MAX_NAME);
    assert_eq!(SafeName::check(safe.as_str().as_bytes()).as_ref(), Ok(&safe));
    let prefix = String::from_utf8_lossy(prefix);
    let prefix = if check_prefix(&prefix).is_ok() { &prefix } else { "fetched_" };
    for n in [0, 1, 2, u32::from(*number) << 24 | 0xff] {
        let saved = safe.saved_name(prefix, n);
        is_entry(&saved);
        assert!(saved.len() <= MAX_ENTRY && !saved.starts_with('.'), "{saved:?}");
        assert!(n < 2 || saved != safe.saved_name(prefix, 1), "{saved:?} is taken");
        // Whoever cannot tell two names apart does not see a third in their place.
        assert_eq!(twin_key(&twin_key(&saved)), twin_key(&saved));
    }
}

fn is_entry(name: &str) {
    assert!(!name.is_empty() && name != "." && name != "..");
    assert!(!name.contains(['/', '\\', '\0', ':', '<', '>', '"', '|', '?', '*']), "{name:?}");
    assert!(!name.ends_with(['.', ' ']) && is_harmless(name), "{name:?}");
}

/// Whatever somebody says is shown in one line that does nothing to a terminal and is not longer than was asked for; in
/// NDJSON it stands in one line that does as little, and comes out as it was; and what is typed there is read or refused.
pub(crate) fn text(data: &[u8]) {
    let said = Untrusted::new(data.to_vec());
    let shown = said.shown().to_string();
    assert!(is_harmless(&shown) && shown.len() <= MAX_SHOWN + '…'.len_utf8(), "{shown:?}");
    let limit = data.first().map_or(0, |byte| usize::from(*byte));
    let cut = said.shown_within(limit).to_string();
    assert!(cut.len() <= limit + '…'.len_utf8(), "{cut:?}");
    let kept = cut.strip_suffix('…').unwrap_or(&cut);
    assert!(shown.starts_with(kept) && is_harmless(&cut), "{cut:?} of {shown:?}");

    let written = Object::empty().untrusted("text", &said).line();
    assert!(!written.trim_end_matches('\n').contains(is_dangerous), "{written:?}");
    let read: serde_json::Value = serde_json::from_str(&written).expect("it is JSON");
    assert_eq!(read["text"], said.lossy().as_ref());
    let written = line(&said.lossy());
    assert!(!written.trim_end_matches('\n').contains(is_dangerous), "{written:?}");

    if let Err(error) = parse_input(&said.lossy()) {
        assert!(error.to_string().len() < 1000 && is_harmless(&error.to_string()), "{error}");
    }
}
