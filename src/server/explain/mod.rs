//! One request played through a gateway of its own: the real policy, a copy of the real database that is thrown away
//! afterwards, and nobody to forward to.

mod assumed;
mod exchange;
mod folder;
mod request;
#[cfg(test)]
mod tests;
mod told;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http::StatusCode;
use tokio::task::LocalSet;
use tracing::Dispatch;

pub use self::folder::Folder;
use super::start::{self, StartError};
use super::workers::STACK_BYTES;
use crate::base::clock::Clock;
use crate::base::problems::Problems;
use crate::live::snapshot::Snapshot;
use crate::pipeline::gateway::{Gateway, Worker};
use crate::pipeline::rehearsal::{Ended, Forwarded, Rehearsal, Spent};
use crate::proxy::Pool;
use crate::store::{self, OpenError};
use crate::telemetry::logs::{Form, Logs};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::sink::Sink;

pub use self::assumed::Assumed;
pub use self::exchange::Answer;
pub use self::request::{BadRequest, RawRequest};
pub use self::told::{
    BucketTold, ForwardedTold, OutcomeTold, Policy, PolicyTold, RequestTold, RuleTold, StageTold, Told,
};

/// The client's port, where nobody says one.
const CLIENT_PORT: u16 = 50_000;
/// Log lines that wait to be thrown away.
const LINES_MAX: usize = 64;
/// Longest wait for the thrown-away database to be closed.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// What is played.
pub struct Play {
    /// The request, as it would come.
    pub request: RawRequest,
    /// Where it comes from.
    pub client: IpAddr,
    /// Who sends it.
    pub assumed: Assumed,
    /// What every upstream answers.
    pub upstream: StatusCode,
}

/// What became of it.
#[derive(Debug)]
pub struct Played {
    /// Every stage that the request came to, with the time it took there.
    pub stages: Vec<Spent>,
    /// How it ended; absent where the bytes never became a request.
    pub ended: Option<Ended>,
    /// What would have gone upstream.
    pub forwarded: Option<Forwarded>,
    /// What the client would have got; absent where the connection is closed without an answer.
    pub answer: Option<Answer>,
    /// What the reader must know beside: what was added to the request, what could not be looked up.
    pub remarks: Vec<String>,
}

/// Why nothing could be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The gateway of the play does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The identity cannot be assumed.
    #[error("{0}")]
    Assumed(String),
    /// A folder, a thread, a runtime or a loopback socket.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Plays one request. Blocks for as long as the request takes.
///
/// # Errors
/// The play cannot be set up; whatever becomes of the request is no error.
pub fn play(snapshot: Snapshot, play: Play) -> Result<Played, PlayError> {
    // Scripts run on a worker's stack.
    let worker = thread::Builder::new().name("explain".to_owned()).stack_size(STACK_BYTES);
    let handle =
        worker.spawn(move || play_here(snapshot, play)).map_err(io_error("cannot start a thread"))?;
    handle.join().unwrap_or_else(|_| {
        Err(PlayError::Io { what: "the play ended early", source: io::ErrorKind::Other.into() })
    })
}

/// Plays one request on this thread, which needs the stack of a worker, and on which nothing is logged meanwhile.
///
/// # Errors
/// The play cannot be set up; whatever becomes of the request is no error.
pub fn play_here(snapshot: Snapshot, play: Play) -> Result<Played, PlayError> {
    tracing::dispatcher::with_default(&Dispatch::none(), || unlogged(snapshot, play))
}

fn unlogged(mut snapshot: Snapshot, play: Play) -> Result<Played, PlayError> {
    let mut remarks = Vec::new();
    let clock = Clock::System;
    let folder = Folder::new("explain").map_err(io_error("cannot make a folder for temporary files"))?;
    let copy = folder.path().join("explain.db");
    match store::copy(&snapshot.config.storage.path, &copy) {
        Ok(()) | Err(OpenError::Absent { .. }) => {}
        Err(error) => {
            remarks.push(format!("accounts, keys, sessions and what rules remember are not known: {error}"));
        }
    }
    snapshot.config.storage.path = copy;
    let gateway = gateway(snapshot, clock)?;
    if !gateway.live.current().config.auth.providers.is_empty() {
        // Their endpoints would ask the provider.
        gateway.providers.apply(&[]);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(io_error("cannot start a runtime"))?;
    let played = LocalSet::new().block_on(&runtime, perform(&gateway, play, remarks));
    // It is thrown away with its folder.
    gateway.store.close(CLOSE_MAX).ok();
    played
}

async fn perform(gateway: &Arc<Gateway>, play: Play, mut remarks: Vec<String>) -> Result<Played, PlayError> {
    let Play { mut request, client, assumed, upstream } = play;
    assumed.put_into(&mut request, gateway, &mut remarks).await.map_err(PlayError::Assumed)?;
    let rehearsal = Rc::new(Rehearsal::new(gateway.clock.clone(), upstream));
    let worker = Rc::new(Worker {
        gateway: Arc::clone(gateway),
        pool: Pool::new(gateway.clock.clone()),
        rehearsal: Some(Rc::clone(&rehearsal)),
    });
    let peer = SocketAddr::new(client, CLIENT_PORT);
    let answer = exchange::exchange(worker, &request.bytes(), peer).await;
    let answer = answer.map_err(io_error("the loopback connection of the play failed"))?;
    Ok(Played {
        stages: rehearsal.stages(),
        ended: rehearsal.ended(),
        forwarded: rehearsal.forwarded(),
        answer,
        remarks,
    })
}

fn gateway(snapshot: Snapshot, clock: Clock) -> Result<Arc<Gateway>, PlayError> {
    let sink = Sink::new(io::sink(), LINES_MAX).map_err(io_error("cannot start a thread"))?;
    let (logs, _) = Logs::to(sink, Form::Json, &snapshot.config.log, clock.clone());
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    Ok(start::gateway(snapshot, Problems::default(), logs, &metrics, clock)?)
}

fn io_error(what: &'static str) -> impl Fn(io::Error) -> PlayError {
    move |source| PlayError::Io { what, source }
}
