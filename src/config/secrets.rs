//! The keys that sign sessions: from the environment, the file, a file of secrets, or the data folder.

use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;

use crate::base::document::Table;
use crate::base::problems::Problem;
use crate::base::secret::Secret;

use super::context::Context;
use super::file::read_file;
use super::session::Session;
use super::weak_secret::weakness;

/// Most secrets of one file: one signs, the others are on their way out.
pub(super) const KEYS_MAX: usize = 16;

/// Where a secret that was made in development is kept.
pub(super) fn development_file(data_folder: &Path) -> PathBuf {
    data_folder.join("session.secret")
}

/// Fills `session.keys`, the signing key first. No problem shows a secret or the line on which one stands.
pub(super) fn fill(table: &Table<'_>, session: &mut Session, data_folder: &Path, context: &mut Context) {
    let is_laid = |key| table.origin(key).starts_with("environment");
    session.secret_from_environment = session.secret.is_some() && is_laid("secret");
    if session.secret.is_some() && session.secret_file.is_some() {
        match (is_laid("secret"), is_laid("secret_file")) {
            (false, true) => session.secret = None,
            (true, _) => session.secret_file = None,
            (false, false) => {
                let message = "`session.secret` and `session.secret_file` are both set: keep one";
                table.report(table.problem("secret_file", message));
            }
        }
    }
    session.keys = match (&session.secret, &session.secret_file) {
        (Some(secret), _) => from_text(table, secret.expose(), context).into_iter().collect(),
        (None, Some(path)) => from_file(table, path, context),
        (None, None) if !context.is_production() => from_development(table, data_folder, context),
        (None, None) => {
            let problem = table.problem("secret", "there is no session secret, which production needs");
            let hint =
                "set BACKEND_SESSION_SECRET or `session.secret_file`; `pluginmind secret generate` makes one";
            table.report(problem.hint(hint));
            Vec::new()
        }
    };
}

fn from_text(table: &Table<'_>, text: &str, context: &Context) -> Option<Secret<Vec<u8>>> {
    let key = without_newline(text);
    if key.is_empty() {
        table.report(table.problem("secret", "`session.secret` is empty: set a secret, or remove the key"));
        return None;
    }
    if let Some(weakness) = weakness(key.as_bytes()) {
        let problem = table.problem("secret", format!("`session.secret` {weakness}"));
        table.report(context.strict(problem.hint("`pluginmind secret generate` makes a good one")));
    }
    Some(Secret::new(key.as_bytes().to_vec()))
}

fn from_file(table: &Table<'_>, path: &Path, context: &mut Context) -> Vec<Secret<Vec<u8>>> {
    context.files.push(path.to_owned());
    let file = match read_file(path) {
        Ok(file) => file,
        Err(why) => {
            let message = format!("`session.secret_file`: {}: {why}", path.display());
            table.report(table.problem("secret_file", message));
            return Vec::new();
        }
    };
    if file.writable_by_all {
        let message = format!("`session.secret_file`: {}: everybody may change the file", path.display());
        table.report(context.strict(table.problem("secret_file", message)));
    }
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        if let Some(weakness) = weakness(line.as_bytes()) {
            let problem =
                Problem::of(format!("{}:{number}", path.display()), format!("the secret {weakness}"));
            table.report(context.strict(problem));
        }
        keys.push(Secret::new(line.as_bytes().to_vec()));
    }
    if keys.is_empty() || keys.len() > KEYS_MAX {
        let message = format!(
            "`session.secret_file`: {}: holds {} secrets, not 1 to {KEYS_MAX}",
            path.display(),
            keys.len()
        );
        table.report(table.problem("secret_file", message));
    }
    keys
}

fn from_development(table: &Table<'_>, data_folder: &Path, context: &mut Context) -> Vec<Secret<Vec<u8>>> {
    let path = development_file(data_folder);
    context.files.push(path.clone());
    // Absent is fine: `serve` makes one then.
    if !path.exists() {
        return Vec::new();
    }
    match read_file(&path) {
        Ok(file) => {
            let lines = file.text.lines().filter(|line| !line.trim().is_empty());
            let keys: Vec<_> = lines.map(|line| Secret::new(line.as_bytes().to_vec())).collect();
            if keys.is_empty() {
                let why = "is empty: remove it, and a new secret is made";
                table.report(Problem::of(path.display().to_string(), why));
            }
            keys
        }
        Err(why) => {
            table.report(Problem::of(path.display().to_string(), why.to_string()));
            Vec::new()
        }
    }
}

fn without_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// A new secret: 32 random bytes in 64 hexadecimal digits.
///
/// # Errors
/// When the system has no randomness.
pub fn new_secret() -> io::Result<Secret<String>> {
    let mut bytes = [0u8; 32];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(digits, "{byte:02x}");
    }
    Ok(Secret::new(digits))
}

/// Makes the secret of a development gateway and keeps it as `session.secret` in the data folder, for its owner only.
///
/// # Errors
/// When the folder or the file cannot be made. A file that is there already is never replaced.
pub fn make_development_secret(data_folder: &Path) -> io::Result<Secret<Vec<u8>>> {
    use io::Write as _;
    std::fs::create_dir_all(data_folder)?;
    let secret = new_secret()?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(development_file(data_folder))?;
    file.write_all(secret.expose().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    Ok(Secret::new(secret.expose().as_bytes().to_vec()))
}
