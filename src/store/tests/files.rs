//! Which files are opened, and which are refused.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;

use super::*;

fn refusal(path: &Path) -> OpenError {
    Store::open(path, Options::default()).expect_err("this file is not ours to use")
}

#[test]
fn a_new_database_and_its_folder_are_for_the_owner_only() {
    let (_folder, path) = folder();
    let store = open(&path);
    store.save_user(user(1)).wait().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&lock::beside(&path, suffix)), 0o600, "{suffix}");
    }
}

#[test]
fn the_pseudonym_key_is_made_once_and_differs_between_databases() {
    let ((_a, first), (_b, second)) = (folder(), folder());
    let store = open(&first);
    let key = store.pseudonym_key().clone();
    store.close(SOON).unwrap();
    assert!(open(&first).pseudonym_key() == &key);
    assert!(open(&second).pseudonym_key() != &key);
    assert_ne!(key.expose(), &[0; 32]);
}

#[test]
fn db_04_a_file_that_is_no_database_is_refused() {
    let (_folder, path) = filled();
    for content in [&b"x"[..], &[0; 4096], b"SQLite format 2\0 and more", &vec![0xff; 100_000]] {
        fs::write(&path, content).unwrap();
        assert!(matches!(refusal(&path), OpenError::NotADatabase { .. }));
    }
}

#[test]
fn db_04_a_database_that_was_cut_off_is_refused() {
    let (_folder, path) = filled();
    let whole = fs::read(&path).unwrap();
    for keep in [17, 99, 100, 4_096, whole.len() / 2, whole.len() - 4_096, whole.len() - 1] {
        fs::write(&path, &whole[..keep]).unwrap();
        let found = refusal(&path);
        assert!(
            matches!(found, OpenError::NotADatabase { .. } | OpenError::Damaged { .. }),
            "{keep}: {found}"
        );
    }
}

#[test]
fn db_04_pages_that_were_overwritten_are_found_at_start() {
    let (_folder, path) = filled();
    let whole = fs::read(&path).unwrap();
    for page in 1..whole.len() / 4_096 {
        fs::write(&path, &whole).unwrap();
        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(u64::try_from(page * 4_096).unwrap())).unwrap();
        file.write_all(&[0x5a; 4_096]).unwrap();
        drop(file);
        assert!(matches!(refusal(&path), OpenError::Damaged { .. }), "page {page}");
    }
}

#[test]
fn db_04_an_empty_file_is_a_new_database_but_not_beside_a_log_with_content() {
    let (_folder, path) = filled();
    fs::write(&path, b"").unwrap();
    fs::write(lock::beside(&path, "-wal"), b"what was here?").unwrap();
    assert!(matches!(refusal(&path), OpenError::Damaged { .. }));
    fs::remove_file(lock::beside(&path, "-wal")).unwrap();
    assert!(open(&path).reader().unwrap().users().unwrap().is_empty());
}

#[test]
fn db_04_a_database_of_something_else_is_refused_and_left_as_it_is() {
    let (_folder, path) = folder();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    for script in ["PRAGMA application_id = 42;", "CREATE TABLE t (a);", "PRAGMA user_version = 3;"] {
        let _ = fs::remove_file(&path);
        Connection::open(&path).unwrap().execute_batch(script).unwrap();
        let before = fs::read(&path).unwrap();
        assert!(matches!(refusal(&path), OpenError::Foreign { .. }), "{script}");
        assert_eq!(fs::read(&path).unwrap(), before, "{script}");
    }
}

#[test]
fn db_04_a_newer_schema_is_refused_and_left_as_it_is() {
    let (_folder, path) = filled();
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 999;").unwrap();
    let found = refusal(&path);
    assert!(matches!(found, OpenError::Newer { found: 999, .. }));
    assert!(found.to_string().contains("newer pluginmind"));
    assert!(matches!(Reader::open(&path), Err(OpenError::Newer { .. })));
}

#[test]
fn db_04_an_older_schema_is_brought_up_to_date_with_its_rows() {
    let (_folder, path) = folder();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(include_str!("../migrations/0001_first_tables.sql")).unwrap();
    connection.pragma_update(None, "application_id", migrate::APPLICATION_ID).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    connection
        .execute(
            "INSERT INTO users VALUES (?1, 'user1', '$argon2id$x', '[\"staff\"]', 0, 1000)",
            [[1_u8; 16]],
        )
        .unwrap();
    drop(connection);
    assert!(matches!(Reader::open(&path), Err(OpenError::Older { .. })), "only a writer changes the schema");
    let store = open(&path);
    let found = store.reader().unwrap().users().unwrap().remove(0);
    assert!(found.pseudonym_key.is_some(), "who had no key of their own has one");
    assert_eq!(UserRow { pseudonym_key: user(1).pseudonym_key, ..found }, user(1));
    assert_eq!(store.reader().unwrap().keys().unwrap(), []);
}

#[test]
fn db_04_our_name_on_a_file_without_our_tables_does_not_pass_for_a_new_database() {
    let (_folder, path) = folder();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "application_id", migrate::APPLICATION_ID).unwrap();
    drop(connection);
    assert!(matches!(refusal(&path), OpenError::Damaged { .. }));
}

#[test]
fn db_05_an_image_of_the_files_at_any_moment_holds_what_was_acknowledged() {
    let (folder, path) = folder();
    let store = open(&path);
    store.save_user(user(1)).wait().unwrap();
    for n in 1..=20 {
        store.insert_session(session(n, 1), vec![]).wait().unwrap();
        if n % 2 == 0 {
            store.remove_sessions(SessionsRemoved::Ids(vec![[n; 16]])).wait().unwrap();
        }
        // What `kill -9` leaves: the database file and its log, no farewell.
        let image = folder.path().join(format!("image{n}.db"));
        fs::copy(&path, &image).unwrap();
        fs::copy(lock::beside(&path, "-wal"), lock::beside(&image, "-wal")).unwrap();
        let reopened = open(&image);
        let sessions = reopened.reader().unwrap().sessions(0).unwrap();
        let expected: Vec<[u8; 16]> = (1..=n).filter(|n| n % 2 == 1).map(|n| [n; 16]).collect();
        assert_eq!(sessions.iter().map(|s| s.id).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn db_07_a_path_that_cannot_be_is_one_clear_sentence() {
    let (folder, _) = folder();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    for path in [file.join("pm.db"), folder.path().to_owned()] {
        let found = refusal(&path);
        assert!(matches!(found, OpenError::File { .. }));
        assert!(found.to_string().starts_with("cannot open /"), "{found}");
    }
}

#[test]
fn db_10_the_library_is_one_without_the_wal_reset_corruption() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[test]
fn db_14_a_second_writer_is_refused_and_readers_are_not() {
    let (_folder, path) = folder();
    let store = open(&path);
    assert!(matches!(refusal(&path), OpenError::InUse { .. }));
    store.save_user(user(1)).wait().unwrap();
    assert_eq!(Reader::open(&path).unwrap().users().unwrap(), [user(1)]);
    store.close(SOON).unwrap();
    open(&path);
}

/// Whether somebody holds a lock on the file, as the kernel sees it.
fn is_locked(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = format!(":{} ", fs::metadata(path).unwrap().ino());
    fs::read_to_string("/proc/locks").unwrap().lines().any(|line| line.contains(&inode))
}

#[test]
fn a_reader_that_comes_and_goes_leaves_the_writer_its_locks() {
    let (_folder, path) = folder();
    let store = open(&path);
    store.save_user(user(1)).wait().unwrap();
    assert!(is_locked(&path), "the writer holds the file");
    drop(store.reader().unwrap());
    assert!(is_locked(&path), "after a reader");
    let (_other, copied) = folder();
    fs::create_dir_all(copied.parent().unwrap()).unwrap();
    crate::store::copy(&path, &copied).unwrap();
    assert!(is_locked(&path), "after a copy");
}

#[test]
fn reading_makes_no_database() {
    let (_folder, path) = folder();
    assert!(matches!(Reader::open(&path), Err(OpenError::Absent { .. })));
    assert!(!path.exists());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"").unwrap();
    assert!(matches!(Reader::open(&path), Err(OpenError::Absent { .. })));
}

#[test]
fn closing_writes_what_waits_and_leaves_no_log() {
    let (_folder, path) = folder();
    let store = open(&path);
    store.add_usage(usage_row(1_000));
    store.close(SOON).unwrap();
    assert!(!lock::beside(&path, "-wal").exists());
    assert_eq!(Reader::open(&path).unwrap().usage(10).unwrap().len(), 1);
    assert_eq!(store.save_user(user(1)).wait(), Err(WriteError::Closed));
    store.add_usage(usage_row(1_000));
    assert_eq!(store.usage_rows_dropped(), 1);
    assert_eq!(store.close(SOON), Ok(()));
}
