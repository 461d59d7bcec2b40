//! The whole store on real files.

mod bans;
mod decisions;
mod files;
mod rows;
mod search;

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::base::ids::CorrelationId;

const SOON: Duration = Duration::from_secs(20);

pub(super) fn user(n: u8) -> UserRow {
    UserRow {
        id: [n; 16],
        name: format!("user{n}"),
        password: Some("$argon2id$x".to_owned()),
        roles: vec!["staff".to_owned()],
        disabled: false,
        created_ms: 1_000,
        pseudonym_key: Some(Secret::new([n ^ 0x55; 32])),
    }
}

pub(super) fn session(n: u8, user: u8) -> SessionRow {
    SessionRow { id: [n; 16], user: [user; 16], created_ms: 1_000, expires_ms: 9_000, last_seen_ms: 1_000 }
}

pub(super) fn usage_row(time_ms: i64) -> UsageRow {
    UsageRow {
        time_ms,
        correlation_id: CorrelationId::generate(),
        method: Label::Own("GET"),
        route: Label::Shared("files".into()),
        status: 403,
        code: Some("FORBIDDEN".into()),
        stage: Some("rules".into()),
        duration_us: 1_234,
        bytes_in: 1,
        bytes_out: 2,
        client_hash: [7; 16],
        user_hash: None,
        plugin: Some("honeypot".into()),
        rule_line: Some(12),
        generation: 3,
        service: Some("app".into()),
        policy: [9; 8],
        trace: None,
    }
}

/// A folder for one test and the path of a database in it.
pub(super) fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("pm.db");
    (folder, path)
}

fn open(path: &Path) -> Store {
    Store::open(path, Options::default()).unwrap()
}

/// A closed database with one user and two sessions.
fn filled() -> (TempDir, PathBuf) {
    let (folder, path) = folder();
    let store = open(&path);
    store.save_user(user(1)).wait().unwrap();
    store.insert_session(session(1, 1), vec![]).wait().unwrap();
    store.insert_session(session(2, 1), vec![]).wait().unwrap();
    store.close(SOON).unwrap();
    (folder, path)
}
