//! Tests of [`super`]: real folders, and every path of system calls.

use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;

const ALL: [Calls; 3] = [Calls::Native, Calls::Portable, Calls::Bare];

fn part(folder: &Path, name: &str, calls: Calls) -> Part {
    let place = Place { folder: folder.to_owned(), prefix: "fetched_".into(), calls, sync: true, peer: None };
    Part::new(place, SafeName::check(name.as_bytes()).unwrap())
}

/// A part in `dir` that says "new".
fn created(dir: &TempDir, name: &str, calls: Calls) -> Part {
    let part = part(dir.path(), name, calls);
    part.create(Some(3), &mut Names::default()).unwrap();
    sys::write_all_at(part.file().unwrap(), b"new", 0).unwrap();
    part
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_part_is_hidden_and_private_until_it_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let part = created(&dir, "a.bin", Calls::Native);
    let [hidden] = names(dir.path()).try_into().unwrap();
    assert!(hidden.starts_with(".tete-") && hidden.ends_with(".a.bin.part"), "{hidden}");
    let mode = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&hidden), 0o600);
    part.sync().unwrap();
    assert_eq!(part.publish(&mut Names::default()).unwrap(), "fetched_a.bin");
    part.sync_folder().unwrap();
    assert_eq!(names(dir.path()), ["fetched_a.bin"]);
    assert_eq!(mode("fetched_a.bin"), sys::shared_mode());
}

#[test]
fn a_part_that_was_let_go_of_gets_no_name_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let part = created(&dir, "a", Calls::Native);
    part.let_go();
    assert!(part.publish(&mut Names::default()).unwrap_err().resumable);
    let [hidden] = names(dir.path()).try_into().unwrap();
    assert!(hidden.starts_with(".tete-"), "{hidden}");
}

#[test]
fn a_file_of_no_bytes_is_published_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let part = part(dir.path(), "empty", Calls::Native);
    part.create(Some(0), &mut Names::default()).unwrap();
    part.sync().unwrap();
    part.publish(&mut Names::default()).unwrap();
    assert_eq!(std::fs::metadata(dir.path().join("fetched_empty")).unwrap().len(), 0);
}

#[test]
fn an_existing_file_gets_a_numbered_neighbour_and_is_not_touched() {
    for calls in ALL {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("fetched_a.bin"), "old").unwrap();
        let saved: Vec<_> =
            (0..3).map(|_| created(&dir, "a.bin", calls).publish(&mut Names::default()).unwrap()).collect();
        assert_eq!(saved, ["fetched_a (2).bin", "fetched_a (3).bin", "fetched_a (4).bin"], "{calls:?}");
        assert_eq!(std::fs::read_to_string(dir.path().join("fetched_a.bin")).unwrap(), "old");
        assert_eq!(names(dir.path()).len(), 4);
    }
}

#[test]
fn a_twin_that_a_person_cannot_tell_apart_gets_a_number() {
    for calls in ALL {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("fetched_e\u{301}.txt"), "decomposed").unwrap();
        std::fs::write(dir.path().join("FETCHED_readme"), "upper").unwrap();
        assert_eq!(
            created(&dir, "\u{e9}.txt", calls).publish(&mut Names::default()).unwrap(),
            "fetched_\u{e9} (2).txt"
        );
        assert_eq!(created(&dir, "README", calls).publish(&mut Names::default()).unwrap(), "fetched_README (2)");
    }
}

#[test]
fn a_symlink_at_the_target_is_neither_followed_nor_replaced() {
    for calls in ALL {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (victim, missing) = (outside.path().join("victim"), outside.path().join("missing"));
        std::fs::write(&victim, "precious").unwrap();
        symlink(&victim, dir.path().join("fetched_a")).unwrap();
        symlink(&missing, dir.path().join("fetched_b")).unwrap();
        assert_eq!(created(&dir, "a", calls).publish(&mut Names::default()).unwrap(), "fetched_a (2)");
        assert_eq!(created(&dir, "b", calls).publish(&mut Names::default()).unwrap(), "fetched_b (2)");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert!(!missing.exists(), "{calls:?}");
        assert!(std::fs::symlink_metadata(dir.path().join("fetched_b")).unwrap().is_symlink());
    }
}

#[test]
fn a_claim_that_cannot_fit_is_refused_with_both_figures() {
    let dir = tempfile::tempdir().unwrap();
    let error = part(dir.path(), "huge", Calls::Native).create(Some(1 << 63), &mut Names::default()).unwrap_err();
    assert!(error.words.contains("No space left on device: needs 9223372036854775808 bytes, "), "{}", error.words);
    assert!(!error.resumable);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_folder_that_may_not_be_written_is_refused_at_the_offer() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o555)).unwrap();
    // Root may write anywhere, except where there is nothing to write to.
    let is_root = std::fs::write(dir.path().join("probe"), "").is_ok();
    let folder = if is_root { Path::new("/sys") } else { dir.path() };
    for calls in ALL {
        let error = part(folder, "a", calls).create(Some(1), &mut Names::default()).unwrap_err();
        assert!(["a: Permission denied", "a: Read-only file system"].contains(&&*error.words), "{}", error.words);
    }
}

#[test]
fn a_folder_that_is_missing_is_refused_without_naming_it_to_the_peer() {
    let dir = tempfile::tempdir().unwrap();
    let error = part(&dir.path().join("none"), "a", Calls::Native).create(None, &mut Names::default()).unwrap_err();
    assert_eq!(error.words, "the folder for received files: No such file or directory");
}

#[test]
fn a_folder_removed_midway_fails_cleanly() {
    for calls in ALL {
        let dir = tempfile::tempdir().unwrap();
        let part = created(&dir, "a", calls);
        std::fs::remove_dir_all(dir.path()).unwrap();
        sys::write_all_at(part.file().unwrap(), b"more", 3).unwrap();
        let error = part.publish(&mut Names::default()).unwrap_err();
        assert_eq!(error, for_good("a", &std::io::Error::from_raw_os_error(2)), "{calls:?}: nothing is left of it");
        part.remove();
    }
}

#[test]
fn a_folder_renamed_midway_is_followed() {
    for calls in ALL {
        let outer = tempfile::tempdir().unwrap();
        let (before, after) = (outer.path().join("before"), outer.path().join("after"));
        std::fs::create_dir(&before).unwrap();
        let part = part(&before, "a", calls);
        part.create(None, &mut Names::default()).unwrap();
        std::fs::rename(&before, &after).unwrap();
        part.publish(&mut Names::default()).unwrap();
        assert_eq!(names(&after), ["fetched_a"]);
    }
}

#[test]
fn removing_leaves_nothing_before_and_after_publishing() {
    let dir = tempfile::tempdir().unwrap();
    created(&dir, "a", Calls::Native).remove();
    let published = created(&dir, "b", Calls::Native);
    published.publish(&mut Names::default()).unwrap();
    published.remove();
    assert!(names(dir.path()).is_empty());
}

#[test]
fn removing_spares_what_somebody_else_put_there() {
    let dir = tempfile::tempdir().unwrap();
    let part = created(&dir, "a", Calls::Native);
    let name = part.publish(&mut Names::default()).unwrap();
    std::fs::remove_file(dir.path().join(&name)).unwrap();
    std::fs::write(dir.path().join(&name), "somebody else's").unwrap();
    part.remove();
    assert_eq!(names(dir.path()), ["fetched_a"]);
}

#[test]
fn the_hidden_name_shows_whole_characters_of_a_long_one() {
    let dir = tempfile::tempdir().unwrap();
    created(&dir, &"漢".repeat(60), Calls::Native);
    assert!(names(dir.path())[0].len() <= 255);
}

/// A part of two blocks, one of which has come and is verified.
fn half(dir: &TempDir) -> Part {
    let part = part(dir.path(), "a", Calls::Native);
    part.create(Some(2 * BLOCK), &mut Names::default()).unwrap();
    sys::write_all_at(part.file().unwrap(), &vec![7; BLOCK as usize], 0).unwrap();
    part
}

#[test]
fn what_is_written_down_behind_a_removal_leaves_no_journal() {
    let dir = tempfile::tempdir().unwrap();
    let part = half(&dir);
    part.remove();
    part.record(0, &[[1; 32]], false).unwrap();
    assert!(names(dir.path()).is_empty());
}

#[test]
fn what_could_once_not_be_brought_to_the_disk_is_nothing_to_go_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let part = half(&dir);
    part.record(0, &[[1; 32]], false).unwrap();
    // 5 is EIO wherever this runs. Nobody need have heard of it.
    part.brought(Err(io::Error::from_raw_os_error(5))).unwrap_err();
    assert_eq!(part.sync().unwrap_err().words, "a: was not brought to the disk");
    part.record(0, &[[1; 32]], true).unwrap_err();
    part.keep();
    assert!(names(dir.path()).is_empty());
}
