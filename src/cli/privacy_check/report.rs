//! What is told at the end.

use std::fmt::Write as _;

use serde::Serialize;

use super::output::{Group, Leak, Outputs};
use crate::cli::render;

/// What keeps names on purpose, and therefore is not looked through for the name of the run's account.
const ON_PURPOSE: [&str; 3] = [
    "the table `users`: the name that an account signs in with, until it is forgotten",
    "the lists of users, sessions and keys that the admin side shows: the same name",
    "upstreams: they get what the client sent, but for what the gateway takes off",
];

/// The result of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether no canary was found.
    pub clean: bool,
    /// Requests that were sent.
    pub requests: usize,
    /// Canaries that were looked for.
    pub canaries: usize,
    /// The places that they stood in.
    pub places: Vec<String>,
    /// What was looked through.
    pub outputs: Vec<Read>,
    /// What is kept on purpose.
    pub kept_on_purpose: [&'static str; 3],
    /// What the run could not do.
    pub remarks: Vec<String>,
}

/// One output, as it is told.
#[derive(Debug, Serialize)]
pub struct Read {
    /// What kind it is.
    pub group: Group,
    /// What it is.
    pub name: String,
    /// How much was looked through, in bytes.
    pub bytes: u64,
    /// What was found.
    pub leaks: Vec<Leak>,
}

impl Report {
    /// Of what was read.
    pub fn of(
        outputs: &Outputs<'_>,
        requests: usize,
        canaries: usize,
        places: Vec<String>,
        remarks: Vec<String>,
    ) -> Self {
        let read = outputs.read.iter().map(|((group, name), output)| Read {
            group: *group,
            name: name.clone(),
            bytes: output.bytes,
            leaks: output.leaks.iter().cloned().collect(),
        });
        Self {
            clean: outputs.is_clean(),
            requests,
            canaries,
            places,
            outputs: read.collect(),
            kept_on_purpose: ON_PURPOSE,
            remarks,
        }
    }

    /// For a person: places and outputs, then each leak, then what is kept on purpose.
    pub fn human(&self) -> String {
        let rows: Vec<[String; 6]> = self.places.iter().map(|place| self.row(place)).collect();
        let mut out =
            render::table(["PLACE", "LOG", "DATABASE", "METRICS", "ANSWERS", "ADMIN"], &rows, "no places");
        let _ = writeln!(
            out,
            "\n{} requests, {} canaries, {} outputs looked through:",
            self.requests,
            self.canaries,
            self.outputs.len()
        );
        for group in Group::ALL {
            let of = |read: &&Read| read.group == group;
            let bytes: u64 = self.outputs.iter().filter(of).map(|read| read.bytes).sum();
            let _ = writeln!(
                out,
                "  {group:?}: {} outputs, {bytes} bytes",
                self.outputs.iter().filter(of).count()
            );
        }
        for read in &self.outputs {
            for leak in &read.leaks {
                let _ = writeln!(
                    out,
                    "LEAK: {} from `{}` stands in {}",
                    leak.kind.words(),
                    leak.place,
                    read.name
                );
            }
        }
        for remark in &self.remarks {
            let _ = writeln!(out, "note: {remark}");
        }
        for kept in self.kept_on_purpose {
            let _ = writeln!(out, "kept on purpose: {kept}");
        }
        out.push_str(if self.clean { "clean" } else { "NOT CLEAN" });
        out
    }

    fn row(&self, place: &str) -> [String; 6] {
        let leaks = |group: Group| {
            let of = |read: &&Read| read.group == group && read.leaks.iter().any(|leak| leak.place == place);
            if self.outputs.iter().any(|read| of(&read)) { "LEAK".to_owned() } else { "-".to_owned() }
        };
        let [log, database, metrics, answers, admin] = Group::ALL.map(leaks);
        [place.to_owned(), log, database, metrics, answers, admin]
    }
}
