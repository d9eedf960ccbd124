//! Drives a server with etcd-client, the Rust client that speaks gRPC with tonic.
//!
//! The tests say what etcd answers, so they hold for any server that speaks its API: ETCD_ENDPOINT
//! names the one under test. They assume that nobody else writes to it meanwhile, and each keeps to
//! keys of its own.
#![cfg(test)]

mod elections;
mod kv;
mod leases;
mod locks;
mod members;
mod restarts;
mod support;
mod txn;
mod watches;
