//! Why a verb gave no result.

use super::exit::Exit;
use super::{inputs, render};
use crate::base::problems::{Problem, Problems};

/// What keeps a verb from its result.
#[derive(Debug)]
pub(super) enum Failure {
    /// One sentence, and how the verb ends.
    Said(Exit, String),
    /// The files hold problems.
    Found(Problems),
    /// The config file cannot be read.
    Unread(Box<Problem>),
}

impl Failure {
    /// It cannot run; one sentence says why.
    pub(super) fn cannot_run(why: impl Into<String>) -> Self {
        Self::Said(Exit::CannotRun, why.into())
    }

    /// What was asked for is not possible as it was asked; one sentence says why.
    pub(super) fn problem(why: impl Into<String>) -> Self {
        Self::Said(Exit::Problems, why.into())
    }

    /// The config file cannot be read.
    pub(super) fn unread(problem: Problem) -> Self {
        Self::Unread(Box::new(problem))
    }

    /// Tells it on standard error, and how the verb ends.
    pub(super) fn tell(&self) -> Exit {
        match self {
            Self::Said(exit, sentence) => {
                render::error(sentence);
                *exit
            }
            Self::Found(problems) => {
                render::complain(&render::report(problems));
                Exit::Problems
            }
            Self::Unread(problem) => inputs::report(problem),
        }
    }
}
