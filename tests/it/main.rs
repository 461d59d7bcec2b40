//! The real binary on loopback, one file per stage.


mod client;

mod envelope;

mod harness;





mod route;



