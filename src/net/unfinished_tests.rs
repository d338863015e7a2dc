//! Tests of [`super`]: real folders.

use super::*;
use crate::net::names::Names;
use crate::net::part::{Part, Place};
use crate::proto::name::SafeName;
use crate::sys::Calls;
use tempfile::TempDir;

const BOB: Option<[u8; 32]> = Some([1; 32]);

fn part(dir: &TempDir, name: &str, peer: Option<[u8; 32]>) -> Part {
    let place =
        Place { folder: dir.path().to_owned(), prefix: "fetched_".into(), calls: Calls::Native, sync: true, peer };
    Part::new(place, SafeName::check(name.as_bytes()).unwrap())
}

fn create(part: &Part, blocks: u64) -> Option<Vec<[u8; 32]>> {
    part.create(Some(blocks * BLOCK), &mut Names::default()).unwrap()
}

fn values(n: u8) -> Vec<[u8; 32]> {
    (0..n).map(|i| [i; 32]).collect()
}

/// A part of a file of nine blocks of Bob's, of which four were verified, and somewhat more had come.
fn begun(dir: &TempDir) -> Part {
    let part = part(dir, "a", BOB);
    assert_eq!(create(&part, 9), None);
    sys::write_all_at(part.file().unwrap(), &vec![7; 5 * BLOCK as usize + 9], 0).unwrap();
    part.record(0, &values(2), false).unwrap();
    part.record(2, &values(4)[2..], true).unwrap();
    part
}

fn entries(dir: &TempDir) -> usize {
    std::fs::read_dir(dir.path()).unwrap().count()
}

#[test]
fn what_an_earlier_run_has_left_is_taken_up_as_far_as_its_journal_goes() {
    let dir = tempfile::tempdir().unwrap();
    drop(begun(&dir)); // as it is when the process was killed
    let again = part(&dir, "a", BOB);
    assert_eq!(create(&again, 9), Some(values(4)));
    assert_eq!(again.file().unwrap().metadata().unwrap().len(), 4 * BLOCK);
    assert_eq!(entries(&dir), 2);
    again.publish(&mut Names::default()).unwrap();
    again.sync_folder().unwrap();
    assert_eq!(entries(&dir), 1, "only the file is left");
}

#[test]
fn a_part_that_has_its_name_already_is_not_written_to_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = begun(&dir);
    let hidden = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let hidden = hidden.into_iter().find(|path| path.extension().is_some_and(|end| end == "part")).unwrap();
    let named = dir.path().join("fetched_a");
    std::fs::hard_link(hidden, &named).unwrap();
    drop(first); // killed where a name is made by a link
    let again = part(&dir, "a", BOB);
    assert_eq!(create(&again, 9), None);
    again.restart();
    assert_eq!(std::fs::metadata(&named).unwrap().len(), 5 * BLOCK + 9);
    assert_eq!(entries(&dir), 2, "the file, and a new part");
}

#[test]
fn a_part_that_is_held_is_not_shared() {
    let dir = tempfile::tempdir().unwrap();
    let first = begun(&dir);
    let second = part(&dir, "a", BOB);
    assert_eq!(create(&second, 9), None);
    let held: Vec<_> = list(dir.path(), true).unwrap().iter().map(|file| file.held).collect();
    assert_eq!((held, entries(&dir)), (vec![true, true], 3));
    drop((first, second));
    assert_eq!(list(dir.path(), true).unwrap().len(), 2);
    assert_eq!(entries(&dir), 0);
}

#[test]
fn what_somebody_else_sent_is_neither_used_nor_removed() {
    let dir = tempfile::tempdir().unwrap();
    drop(begun(&dir));
    for peer in [None, Some([2; 32])] {
        assert_eq!(create(&part(&dir, "a", peer), 9), None, "{peer:?}");
    }
    assert_eq!(create(&part(&dir, "b", BOB), 9), None);
    assert_eq!(create(&part(&dir, "a", BOB), 9), Some(values(4)));
}

#[test]
fn a_file_of_another_size_takes_the_place_of_what_was_left_of_it() {
    let dir = tempfile::tempdir().unwrap();
    drop(begun(&dir));
    let other = part(&dir, "a", BOB);
    assert_eq!(create(&other, 10), Some(Vec::new()));
    assert_eq!(entries(&dir), 1);
}

#[test]
fn a_part_shorter_than_its_journal_counts_as_far_as_it_goes() {
    for (length, left) in [(3 * BLOCK - 1, Some(values(2))), (BLOCK - 1, None)] {
        let dir = tempfile::tempdir().unwrap();
        begun(&dir).file().unwrap().set_len(length).unwrap();
        assert_eq!(create(&part(&dir, "a", BOB), 9), left);
    }
}

#[test]
fn a_part_without_a_journal_and_a_journal_without_a_part_go_when_their_name_is_offered() {
    let dir = tempfile::tempdir().unwrap();
    for name in [".tete-0000000000000001.a.part", ".tete-0000000000000002.a.journal", ".tete-0000000000000003.b.part"] {
        std::fs::write(dir.path().join(name), "x").unwrap();
    }
    let kept = part(&dir, "a", BOB);
    assert_eq!(create(&kept, 9), None);
    assert_eq!(entries(&dir), 2);
}

#[test]
fn a_journal_that_others_may_write_or_that_is_a_link_is_not_believed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    for loose in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        drop(begun(&dir));
        let name = list(dir.path(), false).unwrap()[0].part.replace(".part", ".journal");
        let journal = dir.path().join(&name);
        match loose {
            true => std::fs::set_permissions(&journal, PermissionsExt::from_mode(0o666)).unwrap(),
            false => {
                let elsewhere = dir.path().join("elsewhere");
                std::fs::rename(&journal, &elsewhere).unwrap();
                symlink(&elsewhere, &journal).unwrap();
            }
        }
        assert_eq!(create(&part(&dir, "a", BOB), 9), None, "{loose}");
    }
}

#[test]
fn what_is_unfinished_is_told_with_whose_it_is() {
    let dir = tempfile::tempdir().unwrap();
    drop(begun(&dir));
    let [file] = list(dir.path(), false).unwrap().try_into().unwrap();
    assert_eq!((&*file.name, file.verified, file.held), ("a", 4 * BLOCK, false));
    let (size, peer, since) = file.about.unwrap();
    assert_eq!((size, peer), (9 * BLOCK, BOB));
    assert!(since > 1_700_000_000, "{since}");
}

#[test]
fn a_part_that_is_removed_takes_its_journal_along_and_one_that_is_kept_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let begun = begun(&dir);
    begun.keep();
    drop(begun);
    assert_eq!(entries(&dir), 2);
    let again = part(&dir, "a", BOB);
    create(&again, 9);
    again.remove();
    assert_eq!(entries(&dir), 0);
}

#[test]
fn a_restarted_part_is_nothing_to_go_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let begun = begun(&dir);
    begun.restart();
    drop(begun);
    assert_eq!(create(&part(&dir, "a", BOB), 9), None);
    assert_eq!(entries(&dir), 1);
}

#[test]
fn hidden_names_show_whole_characters_of_a_long_name() {
    assert_eq!(cut("short", SHOWN), "short");
    assert_eq!(cut(&"é".repeat(80), 99).len(), 98);
    let stem = Stem::new(7, "a.b");
    assert_eq!((stem.part().as_str(), stem.shown()), (".tete-0000000000000007.a.b.part", "a.b"));
    assert_eq!(Stem::of(&stem.journal()), Some(stem));
    for other in [".tete-7.a.part", ".tete-zzzzzzzzzzzzzzzz.a.part", "tete-0000000000000007.a.part", ".part", ""] {
        assert_eq!(Stem::of(other), None, "{other}");
    }
}

#[test]
fn a_stream_of_the_same_name_leaves_what_could_go_on() {
    let dir = tempfile::tempdir().unwrap();
    drop(begun(&dir));
    let stream = part(&dir, "a", BOB);
    assert_eq!(stream.create(None, &mut Names::default()).unwrap(), None);
    assert_eq!(create(&part(&dir, "a", BOB), 9), Some(values(4)));
}

#[test]
#[cfg(unix)]
fn the_journal_of_a_part_that_cannot_be_opened_stays() {
    let dir = tempfile::tempdir().unwrap();
    drop(begun(&dir));
    let [unfinished] = &list(dir.path(), false).unwrap()[..] else { panic!("one file is unfinished") };
    let (hidden, moved) = (dir.path().join(&unfinished.part), dir.path().join("moved"));
    std::fs::rename(&hidden, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &hidden).unwrap();
    assert_eq!(list(dir.path(), true).unwrap(), []);
    std::fs::rename(&moved, &hidden).unwrap();
    assert_eq!(create(&part(&dir, "a", BOB), 9), Some(values(4)));
}

#[test]
fn as_many_files_are_looked_at_as_can_be_left_each_with_its_journal() {
    let dir = tempfile::tempdir().unwrap();
    for random in 0..MAX_LEFT as u64 {
        let stem = Stem::new(random, "a");
        [stem.part(), stem.journal()].iter().for_each(|name| std::fs::write(dir.path().join(name), "").unwrap());
    }
    assert_eq!(entries(&dir), 2 * MAX_LEFT);
    assert_eq!(list(dir.path(), true).unwrap().len(), MAX_LEFT);
    assert_eq!(entries(&dir), 0);
}

#[test]
fn fault_66_a_part_that_cannot_be_cut_now_stays_for_a_later_try() {
    let dir = tempfile::tempdir().unwrap();
    drop(begun(&dir));
    let folder = sys::open_folder(dir.path()).unwrap();
    let stems = Stem::among(&sys::list_names(folder.as_fd(), MAX_LISTED).unwrap());
    let stem = stems.first().unwrap();
    let (record, values) = Record::open(folder.as_fd(), &stem.journal()).unwrap().unwrap();
    // One that is open for reading alone fails as a disk does.
    let file = File::open(dir.path().join(stem.part())).unwrap();
    assert!(usable(file, record, values, stem).is_err());
    assert_eq!(create(&part(&dir, "a", BOB), 9), Some(self::values(4)));
}
