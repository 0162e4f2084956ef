//! A throw-away NATS server.

use std::path::PathBuf;

use super::throwaway::{Throwaway, find_program};
use super::{free_port, lacking, scratch, until};

/// A NATS server that runs as long as this lives.
#[derive(Debug)]
pub struct Nats {
    port: u16,
    _running: Throwaway,
}

impl Nats {
    /// Starts one; `None`, said aloud, when there is no `nats-server`.
    pub async fn start() -> Option<Self> {
        let Some(program) = find_program("nats-server", &[PathBuf::from("/usr/sbin")]) else {
            lacking("nats-server is not installed");
            return None;
        };
        let folder = scratch("leadline-nats-")
            // The watchdog removes it.
            .keep();
        let port = free_port();
        let arguments = ["-a", "127.0.0.1", "-p", &port.to_string()];
        let running = Throwaway::start(&program, &arguments, &folder, "TERM", None);
        until("NATS answers", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        Some(Self {
            port,
            _running: running,
        })
    }

    /// Its address, for the setting `nats_url`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}
