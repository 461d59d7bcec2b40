//! What the tests stand on: the real binary in a folder of its own, a raw HTTP client, and an upstream that records.

pub mod bystander;
pub mod client;
pub mod console;
pub mod gateway;
pub mod http2;
pub mod http2_upstream;
pub mod provider;
pub mod recorder;
pub mod scene;
pub mod strict;
pub mod tls;
pub mod token;
pub mod upstream;
pub mod webhook;
pub mod websocket;
pub mod witness;

pub use bystander::Bystander;
pub use client::{Answer, Connection, request};
pub use console::Console;
pub use gateway::{Gateway, Setup, free_port};
pub use http2_upstream::Http2Upstream;
pub use provider::Provider;
pub use recorder::Recorder;
pub use token::Token;
pub use upstream::Upstream;
pub use witness::Witness;
