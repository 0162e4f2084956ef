//! The figures of `docs/performance.md`: the release build of the real server under load, on this machine.
//!
//! `make bench`, or `cargo bench --bench load -- NAME…` for some of them. PostgreSQL is measured too where
//! `BENCH_POSTGRES_URL` names a server whose user may create databases, e.g. `postgres://postgres@127.0.0.1/postgres`.

mod client;
mod hostile;
mod platforms;
mod reports;
mod scenarios;
mod server;

use server::Backend;

fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let mut backends = vec![Backend::Sqlite];
    match std::env::var("BENCH_POSTGRES_URL") {
        Ok(url) => backends.push(Backend::Postgres(url)),
        Err(_) => eprintln!("BENCH_POSTGRES_URL is not set: only SQLite is measured"),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    println!("| what | database | figure | wanted |");
    println!("| --- | --- | --- | --- |");
    for (name, scenario) in scenarios::ALL {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        for backend in &backends {
            match scenario(&runtime, backend) {
                Ok(rows) => {
                    for row in rows {
                        println!(
                            "| {} | {} | {} | {} |",
                            row.what,
                            backend.name(),
                            row.figure,
                            row.wanted
                        );
                    }
                }
                Err(error) => println!("| {name} | {} | failed: {error:#} | |", backend.name()),
            }
        }
    }
    Ok(())
}
