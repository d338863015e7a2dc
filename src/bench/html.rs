//! What was measured, as one page for a browser: nothing is fetched from anywhere.
//!
//! Owns: how the document gets into the page. Must not know: what is in either; `page.html` draws it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::sys;

/// Where the document goes.
const DATA: &str = "{{DATA}}";

/// The page.
pub fn page(document: &Value) -> String {
    // In a script no `<` may stand that could begin its end; JSON can say it otherwise.
    let data = document.to_string().replace('<', "\\u003c");
    include_str!("page.html").replacen(DATA, &data, 1)
}

/// Whether a page can be written there; an older one stays as it is. To be asked before minutes are spent on it.
///
/// # Errors
/// The system's.
pub fn check(path: &Path) -> io::Result<()> {
    File::options().append(true).create(true).open(path).map(drop).map_err(|error| explain(path, &error))
}

/// Writes the page, and replaces an older one.
///
/// # Errors
/// The system's.
pub fn write(document: &Value, path: &Path) -> io::Result<()> {
    fs::write(path, page(document)).map_err(|error| explain(path, &error))
}

fn explain(path: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!("--html {}: {}", path.display(), sys::words(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_folder_named_like_markup_stays_data() {
        let page = page(&json!({ "disk": "/</script><script>alert(1)" }));
        assert_eq!(page.matches("</script>").count(), 2, "those of the page itself");
        assert!(page.contains(r#""disk":"/\u003c/script>\u003cscript>alert(1)""#));
        assert!(!page.contains(DATA));
    }

    #[test]
    fn the_page_fetches_nothing() {
        let page = page(&json!({}));
        for outside in ["src=", "href=", "url(", "import", "fetch("] {
            assert!(!page.contains(outside), "{outside}");
        }
        // The one address is the name of a kind of markup.
        assert_eq!(page.matches("http").count(), 1);
    }
}
