//! kill -9 of the real process under load from real clients.
