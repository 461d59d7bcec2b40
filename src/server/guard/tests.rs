//! The guard, byte by byte.
