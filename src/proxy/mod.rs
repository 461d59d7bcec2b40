//! Floor 3: the way to the upstreams and back. HTTP/1.1, streaming in both directions, connections kept by each worker.
//!
//! - [`Upstreams`] knows the services and their health; one for the process.
//! - [`Pool`] keeps unused connections; one for each worker thread.
//! - [`hops`] says which headers go upstream and which come back.
//! - [`send`] sends one request.
//!
//! # Source
//! CONTRACT section 3, stage 14; RFC 9110 section 7.6; THREATS sections UP and HB.

mod address;
mod alarm;
pub mod answer;
mod books;
mod budget;
mod circuit;
mod dial;
mod download;
mod endpoint;
mod health;
pub mod hops;
mod http2;
mod journey;
mod link;
mod pool;
mod report;
mod resolve;
mod response_body;
mod send;
mod service;
mod socket;
mod stream;
mod trust;
mod upload;
mod upstreams;
pub mod websocket;

pub use circuit::Phase;
pub use download::{Tunnel, UpstreamBodyError};
pub use endpoint::State;
pub use health::watch;
pub use pool::Pool;
pub use report::{EndpointReport, Report};
pub use response_body::UpstreamBody;
pub use send::{Limits, SendError, send};
pub use service::Service;
pub use socket::Socket;
pub use upload::{BoxError, Upload};
pub use upstreams::{Status, Upstreams};

#[cfg(test)]
mod tests;
