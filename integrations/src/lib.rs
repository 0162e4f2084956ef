//! Outside platforms: shops, mail services, CRMs that Leadline is to be connected with. There is none yet.
//!
//! Each will stand here behind one trait, and what it tells will become leads, engagements and conversions through the
//! same services as an import. The crate knows nothing of the database, GraphQL or axum (`docs/architecture.md`), so
//! that a platform can be tried without a server.
